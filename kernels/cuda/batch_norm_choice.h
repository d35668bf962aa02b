// Who computes batch norm: our kernels or cuDNN.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include <whisker/kernels/batch_norm.h>
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/library_choice.h>

namespace whisker::inline v0_1::kernels::cuda {

/// The statistics are always ours.
enum class BatchNormPass { forward, backward };

/// What the choice depends on.
struct BatchNormProblem {
  BatchNormPass pass = BatchNormPass::forward;
  MathType math = MathType::float32;  // the type of the elements, so never tf32
  std::int64_t rows = 0, channels = 0;
  bool leaky_relu = false;  // a slope other than 1
  friend auto operator<=>(const BatchNormProblem&, const BatchNormProblem&) = default;
};

template <class T>
BatchNormProblem batch_norm_problem(BatchNormPass pass, const BatchNormShape& s) {
  return {pass, math_type<T>(false), s.rows, s.channels, s.slope != 1.0};
}

/// The choice: as the policy says; else what was tuned; else our own kernel. Never cuDNN for one
/// element or for 2^31 and more, nor where there is none; throws Error if the policy asks for it
/// there.
Backend choose_batch_norm_backend(const BatchNormProblem& problem, Policy policy, bool has_cudnn,
                                  std::optional<Backend> tuned = {});

/// The faster one for one problem on one device.
struct TunedBatchNorm {
  BatchNormProblem problem;
  Backend backend = Backend::own;
  double microseconds = 0.0;  // as measured
  friend bool operator==(const TunedBatchNorm&, const TunedBatchNorm&) = default;
};

/// Replaces what is known of a device. Of several rows for one problem the last counts.
void set_tuned_batch_norm(int device, const std::vector<TunedBatchNorm>& rows);
std::optional<Backend> find_tuned_batch_norm(int device, const BatchNormProblem& problem);

/// choose_batch_norm_backend() with the environment variable WHISKER_NORM, read once, with what was
/// tuned and with what is installed: cuDNN is opened only where it would be taken.
Backend select_batch_norm_backend(const BatchNormProblem& problem, const Context& context);

// The two passes by the one or the other. Throw Error where there is no cuDNN.
template <class T>
void batch_norm_forward(Backend backend, const T* x, const float* gamma, const float* beta,
                        const float* mean, const float* variance, T* y, const BatchNormShape& shape,
                        Context& context);
template <class T>
void batch_norm_backward(Backend backend, const T* x, const float* gamma, const float* beta,
                         const float* mean, const float* variance, const T* dy, T* dx,
                         float* dgamma, float* dbeta, const BatchNormShape& shape,
                         Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
