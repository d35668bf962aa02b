// One update of a flat parameter by each optimizer, in place. n elements; g is the gradient.
#pragma once

#include <cstdint>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels {

/// Kingma & Ba 2015: m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, then
///   theta -= step_size * m / (sqrt(v) * inverse_sqrt_correction + epsilon).
/// The two published placements of epsilon are two settings of the same formula, see optim/adam.h.
struct AdamStep {
  double step_size, beta1, beta2, epsilon, inverse_sqrt_correction;
};

/// Polyak 1964 as PyTorch has it: velocity = momentum * velocity + g, theta -= learning_rate * d
/// with d = velocity, or g + momentum * velocity with Nesterov's look-ahead.
struct SgdStep {
  double learning_rate, momentum;
  bool nesterov;
};

/// Hinton 2012: square = decay * square + (1 - decay) g^2, then theta -= learning_rate * g / r with
/// r = sqrt(square + epsilon) as TensorFlow has it, or sqrt(square) + epsilon as PyTorch has it.
struct RmsPropStep {
  double learning_rate, decay, epsilon;
  bool epsilon_inside_root;
};

namespace cpu {

/// T is float or double.
template <class T>
void adam_update(T* theta, const T* g, T* m, T* v, std::int64_t n, const AdamStep& step,
                 Context& context);
/// A null velocity means no momentum.
template <class T>
void sgd_update(T* theta, const T* g, T* velocity, std::int64_t n, const SgdStep& step,
                Context& context);
template <class T>
void rmsprop_update(T* theta, const T* g, T* square, std::int64_t n, const RmsPropStep& step,
                    Context& context);
/// average = decay * average + (1 - decay) * value.
template <class T>
void average_update(T* average, const T* value, std::int64_t n, double decay, Context& context);

}  // namespace cpu

namespace cuda {

struct Context;

/// Where a kernel finds its step: in the launch, or in device memory as of the run, so that a
/// launch captured in a graph can be replayed with new numbers.
template <class Step>
struct StepSource {
  StepSource(const Step& in_launch) : value(in_launch) {}
  StepSource(const Step* in_device_memory) : device(in_device_memory) {}

  Step value{};
  const Step* device = nullptr;
};

/// What the numbers of AdamStep follow from; lives in device memory.
struct AdamSchedule {
  double learning_rate, beta1, beta2, epsilon;
  bool epsilon_hat;    // the paper's and TensorFlow's placement of epsilon, else PyTorch's
  std::int64_t steps;  // taken so far
};

/// Counts schedule->steps on and writes the step that follows by the formulas of optim/adam.cpp;
/// both lie in device memory.
void adam_advance(AdamSchedule* schedule, AdamStep* step, Context& context);

/// As on the CPU. n may be the size of a whole arena of parameters; `copy`, unless null, gets the
/// new parameters rounded to bfloat16 in the same pass.
void adam_update(float* theta, const float* g, float* m, float* v, std::int64_t n,
                 const StepSource<AdamStep>& step, Context& context, bfloat16* copy = nullptr);
void sgd_update(float* theta, const float* g, float* velocity, std::int64_t n,
                const StepSource<SgdStep>& step, Context& context, bfloat16* copy = nullptr);
void rmsprop_update(float* theta, const float* g, float* square, std::int64_t n,
                    const StepSource<RmsPropStep>& step, Context& context,
                    bfloat16* copy = nullptr);
void average_update(float* average, const float* value, std::int64_t n,
                    const StepSource<double>& decay, Context& context);

}  // namespace cuda
}  // namespace whisker::inline v0_1::kernels
