// One update of all parameters by each optimizer, in place.
#pragma once

#include <cstdint>
#include <span>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/context.h>
#include <whisker/kernels/finite.h>
#include <whisker/kernels/host_device.h>

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

/// Where an update finds its numbers: in the call, or in memory of the device as of the run, so
/// that a launch captured in a graph can be replayed with new numbers.
template <class Step>
struct StepSource {
  StepSource(const Step& in_call) : value(in_call) {}
  StepSource(const Step* in_memory) : memory(in_memory) {}
  WHISKER_HOST_DEVICE Step get() const { return memory != nullptr ? *memory : value; }
  /// Whether the update must change nothing.
  WHISKER_HOST_DEVICE bool blocked() const {
    return first_bad != nullptr && *first_bad != kAllFinite;
  }

  Step value{};
  const Step* memory = nullptr;
  const std::int32_t* first_bad = nullptr;  // unless null, what find_not_finite() found
};

/// One of the flat arrays that an update goes over: n parameters theta with their gradients g.
template <class T>
struct Segment {
  T* theta;
  const T* g;
  T* slots[2];  // m and v, velocity, or square; null where the rule has fewer
  std::int64_t n;
  bfloat16* copy = nullptr;  // unless null, a GPU rounds the new theta to it in the same pass
};

namespace cpu {

/// T is float or double. The slots are m and v.
template <class T>
void adam_update(std::span<const Segment<T>> segments, const StepSource<AdamStep>& step,
                 Context& context);
/// The slot is velocity; null in the first segment means no momentum.
template <class T>
void sgd_update(std::span<const Segment<T>> segments, const StepSource<SgdStep>& step,
                Context& context);
/// The slot is square.
template <class T>
void rmsprop_update(std::span<const Segment<T>> segments, const StepSource<RmsPropStep>& step,
                    Context& context);
/// theta = decay * theta + (1 - decay) * g: theta is an average, g a new value. A decay of 0 copies
/// g, whatever theta was.
template <class T>
void average_update(std::span<const Segment<T>> segments, const StepSource<double>& decay,
                    Context& context);

}  // namespace cpu

namespace cuda {

struct Context;

/// As on the CPU, in one launch for as many segments as its parameters hold, see
/// docs/kernels/optimizer.md.
void adam_update(std::span<const Segment<float>> segments, const StepSource<AdamStep>& step,
                 Context& context);
void sgd_update(std::span<const Segment<float>> segments, const StepSource<SgdStep>& step,
                Context& context);
void rmsprop_update(std::span<const Segment<float>> segments, const StepSource<RmsPropStep>& step,
                    Context& context);
void average_update(std::span<const Segment<float>> segments, const StepSource<double>& decay,
                    Context& context);

}  // namespace cuda
}  // namespace whisker::inline v0_1::kernels
