// Who computes a matrix product: our kernels or cuBLAS.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/library_choice.h>
#include <whisker/kernels/matmul.h>

namespace whisker::inline v0_1::kernels::cuda {

/// What the choice depends on besides the shape.
struct MatmulFacts {
  MathType math = MathType::float32;
  bool aligned = true;  // a and b are multiples of 16 bytes
  bool cublas = false;  // it was found
};

template <class T>
MatmulFacts matmul_facts(const Context& context, const T* a, const T* b) {
  const auto aligned = [](const T* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
  return {.math = math_type<T>(context.tf32), .aligned = aligned(a) && aligned(b)};
}

/// The choice: as the policy says; else what was tuned; else cuBLAS for much work whose operands
/// our tensor-core kernel must gather element by element; else our own kernel. Never cuBLAS where
/// there is none; throws Error if the policy asks for it there.
Backend choose_matmul_backend(const MatmulShape& shape, const MatmulFacts& facts, Policy policy,
                              std::optional<Backend> tuned = {});

/// The faster one for one problem on one device.
struct TunedMatmul {
  MatmulShape shape;
  MathType math = MathType::float32;
  Backend backend = Backend::own;
  double microseconds = 0.0;  // as measured
  friend bool operator==(const TunedMatmul&, const TunedMatmul&) = default;
};

/// Replaces what is known of a device. Of several rows for one problem the last counts.
void set_tuned_matmul(int device, const std::vector<TunedMatmul>& rows);
std::optional<Backend> find_tuned_matmul(int device, const MatmulShape& shape, MathType math);

/// choose_matmul_backend() with the environment variable WHISKER_MATMUL, read once, with what was
/// tuned and with what is installed: cuBLAS is opened only where it would be taken.
Backend select_matmul_backend(const MatmulShape& shape, MatmulFacts facts, const Context& context);

/// Whether cuBLAS can be used here.
bool cublas_usable();

/// matmul() by the one or the other. Throws Error where there is no cuBLAS.
template <class T>
void matmul(Backend backend, const T* a, const T* b, T* c, const MatmulShape& shape,
            Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
