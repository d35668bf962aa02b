#include <algorithm>
#include <cublas_v2.h>
#include <map>
#include <mutex>
#include <type_traits>
#include <utility>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/current_device.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/gemm_arguments.h>
#include <whisker/kernels/cudnn/matmul.h>
#include <whisker/kernels/cudnn/shared_library.h>

namespace whisker::inline v0_1::kernels::cudnn {
namespace {

struct CublasApi {
  // The header's names are macros for the symbols with _v2.
  decltype(&cublasCreate_v2) create;
  decltype(&cublasSetStream_v2) set_stream;
  decltype(&cublasSetWorkspace_v2) set_workspace;
  decltype(&cublasSetMathMode) set_math_mode;
  decltype(&cublasGetProperty) get_property;
  decltype(&cublasGetStatusString) get_status_string;
  decltype(&cublasGemmEx_64) gemm;
};

struct Cublas {
  CublasApi api{};
  std::string problem;

  Cublas() {
    const SharedLibrary library({"libcublas.so.13", "libcublas.so.12"});
    problem = library.problem();
    if (!library) return;
    try {
      library.find("cublasCreate_v2", api.create);
      library.find("cublasSetStream_v2", api.set_stream);
      library.find("cublasSetWorkspace_v2", api.set_workspace);
      library.find("cublasSetMathMode", api.set_math_mode);
      library.find("cublasGetProperty", api.get_property);
      library.find("cublasGetStatusString", api.get_status_string);
      library.find("cublasGemmEx_64", api.gemm);
    } catch (const Error& error) {
      problem = error.what();
    }
  }
};

const Cublas& cublas() {
  static const Cublas library;
  return library;
}

void check_cublas(cublasStatus_t status, const char* call) {
  check(status == CUBLAS_STATUS_SUCCESS, call, ": ", cublas().api.get_status_string(status));
}

/// What NVIDIA recommends for Hopper; a fixed size keeps the choice of an algorithm fixed.
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

/// Needs the mutex of matmul(). One handle for each device and stream, never destroyed.
cublasHandle_t cublas_handle(const cuda::Context& context) {
  static auto& handles = *new std::map<std::pair<int, cudaStream_t>, cublasHandle_t>;
  cublasHandle_t& handle = handles[{context.device, context.stream}];
  if (handle == nullptr) {
    const cuda::CurrentDevice current(context.device);
    cublasHandle_t made = nullptr;
    check_cublas(cublas().api.create(&made), "cublasCreate");
    check_cublas(cublas().api.set_stream(made, context.stream), "cublasSetStream");
    // Else parts of a bfloat16 product may be summed in bfloat16.
    check_cublas(cublas().api.set_math_mode(made, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
                 "cublasSetMathMode");
    handle = made;
  }
  return handle;
}

}  // namespace

bool cublas_available() {
  return cublas().problem.empty();
}

std::string describe_cublas() {
  if (!cublas_available()) return "no cuBLAS: " + cublas().problem;
  const auto property = [](libraryPropertyType type) {
    int value = 0;
    check_cublas(cublas().api.get_property(type, &value), "cublasGetProperty");
    return value;
  };
  return str("cuBLAS ", property(MAJOR_VERSION), ".", property(MINOR_VERSION), ".",
             property(PATCH_LEVEL));
}

template <class T>
void matmul(const T* a, const T* b, T* c, const MatmulShape& shape, cuda::Context& context) {
  check(cublas_available(), "matmul: ", cublas().problem,
        "; install cuBLAS or put its folder on LD_LIBRARY_PATH");
  if (shape.m == 0 || shape.n == 0) return;
  constexpr bool kBfloat16 = std::is_same_v<T, bfloat16>;
  constexpr cudaDataType kType = kBfloat16 ? CUDA_R_16BF : CUDA_R_32F;
  const cublasComputeType_t compute =
      !kBfloat16 && context.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  const auto operation = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  // A pitch must be positive even where there is no element.
  const auto pitch = [](std::int64_t elements) { return std::max<std::int64_t>(elements, 1); };
  const GemmArguments g = gemm_arguments(shape);
  const float alpha = 1.0F, beta = 0.0F;

  static std::mutex& mutex = *new std::mutex;
  const std::lock_guard lock(mutex);
  const cublasHandle_t handle = cublas_handle(context);
  // Memory of the caller's, so that calls can be captured into a graph.
  const Buffer workspace = context.allocate(kWorkspaceBytes);
  check_cublas(cublas().api.set_workspace(handle, workspace.get(), kWorkspaceBytes),
               "cublasSetWorkspace");
  check_cublas(cublas().api.gemm(handle, operation(g.transpose_first),
                                 operation(g.transpose_second), g.rows, g.columns, g.k, &alpha, b,
                                 kType, pitch(g.first_pitch), a, kType, pitch(g.second_pitch),
                                 &beta, c, kType, g.result_pitch, compute, CUBLAS_GEMM_DEFAULT),
               "cublasGemmEx");
}

template void matmul(const float*, const float*, float*, const MatmulShape&, cuda::Context&);
template void matmul(const bfloat16*, const bfloat16*, bfloat16*, const MatmulShape&,
                     cuda::Context&);

}  // namespace whisker::inline v0_1::kernels::cudnn
