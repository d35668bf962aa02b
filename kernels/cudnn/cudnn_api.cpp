#include <array>
#include <map>
#include <mutex>
#include <utility>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/current_device.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/cudnn_api.h>
#include <whisker/kernels/cudnn/shared_library.h>

namespace whisker::inline v0_1::kernels::cudnn {
namespace {

/// The library with all its functions, or the reason why there is none.
struct Cudnn {
  CudnnApi api{};
  std::string problem;

  Cudnn() {
    const SharedLibrary library({"libcudnn.so.9"});
    problem = library.problem();
    if (!library) return;
    try {
      library.find("cudnnGetVersion", api.get_version);
      library.find("cudnnGetErrorString", api.get_error_string);
      library.find("cudnnGetLastErrorString", api.get_last_error_string);
      library.find("cudnnCreate", api.create);
      library.find("cudnnSetStream", api.set_stream);
      library.find("cudnnBackendCreateDescriptor", api.create_descriptor);
      library.find("cudnnBackendDestroyDescriptor", api.destroy_descriptor);
      library.find("cudnnBackendSetAttribute", api.set_attribute);
      library.find("cudnnBackendGetAttribute", api.get_attribute);
      library.find("cudnnBackendFinalize", api.finalize);
      library.find("cudnnBackendExecute", api.execute);
      library.find("cudnnCreateTensorDescriptor", api.create_tensor);
      library.find("cudnnDestroyTensorDescriptor", api.destroy_tensor);
      library.find("cudnnSetTensor4dDescriptorEx", api.set_tensor);
      library.find("cudnnCreateActivationDescriptor", api.create_activation);
      library.find("cudnnDestroyActivationDescriptor", api.destroy_activation);
      library.find("cudnnSetActivationDescriptor", api.set_activation);
      library.find("cudnnActivationForward", api.activation_forward);
      library.find("cudnnActivationBackward", api.activation_backward);
      library.find("cudnnBatchNormalizationForwardTraining", api.batch_norm_forward_training);
      library.find("cudnnBatchNormalizationForwardInference", api.batch_norm_forward_inference);
      library.find("cudnnBatchNormalizationBackward", api.batch_norm_backward);
    } catch (const Error& error) {
      problem = error.what();
    }
  }
};

const Cudnn& cudnn() {
  static const Cudnn library;
  return library;
}

}  // namespace

bool cudnn_available() {
  return cudnn().problem.empty();
}

std::string describe_cudnn() {
  if (!cudnn_available()) return "no cuDNN: " + cudnn().problem;
  // cudnn_version.h: 10000 * major + 100 * minor + patch, since version 9.
  const std::size_t version = cudnn().api.get_version();
  return str("cuDNN ", version / 10000, ".", version / 100 % 100, ".", version % 100);
}

const CudnnApi& cudnn_api() {
  check(cudnn_available(), "cudnn: ", cudnn().problem,
        "; install cuDNN 9 or put its folder on LD_LIBRARY_PATH");
  return cudnn().api;
}

void check_cudnn(cudnnStatus_t status, std::string_view call, cuda::CallSite site) {
  if (status == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  std::array<char, 512> details{};
  cudnn_api().get_last_error_string(details.data(), details.size() - 1);
  throw Error(
      str(call, ": ", cudnn_api().get_error_string(status), ": ", details.data(), " (", site, ")"));
}

std::mutex& cudnn_mutex() {
  static std::mutex& the_mutex = *new std::mutex;
  return the_mutex;
}

cudnnHandle_t cudnn_handle(const cuda::Context& context) {
  static std::mutex& mutex = *new std::mutex;
  static auto& handles = *new std::map<std::pair<int, cudaStream_t>, cudnnHandle_t>;
  const CudnnApi& api = cudnn_api();
  const std::lock_guard lock(mutex);
  cudnnHandle_t& handle = handles[{context.device, context.stream}];
  if (handle == nullptr) {
    const cuda::CurrentDevice current(context.device);
    cudnnHandle_t made = nullptr;
    check_cudnn(api.create(&made), "cudnnCreate");
    check_cudnn(api.set_stream(made, context.stream), "cudnnSetStream");
    handle = made;
  }
  return handle;
}

}  // namespace whisker::inline v0_1::kernels::cudnn
