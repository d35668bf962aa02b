// Optimizers: one pass over all segments that reads the gradient, the parameters and their slots
// and writes the parameters, the slots and, if there is one, the bfloat16 copy of the parameters.
// The numbers of a step are rounded to float once per thread, as the CPU does once per call.
#include <cmath>

#include <whisker/kernels/cuda/segments.cuh>
#include <whisker/kernels/optimizer.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

struct AdamRule {
  using Step = AdamStep;
  static constexpr int kSlots = 2;  // m and v
  float beta1, rest1, beta2, rest2, step_size, correction, epsilon;

  __device__ explicit AdamRule(const AdamStep& s)
      : beta1(static_cast<float>(s.beta1)),
        rest1(static_cast<float>(1.0 - s.beta1)),
        beta2(static_cast<float>(s.beta2)),
        rest2(static_cast<float>(1.0 - s.beta2)),
        step_size(static_cast<float>(s.step_size)),
        correction(static_cast<float>(s.inverse_sqrt_correction)),
        epsilon(static_cast<float>(s.epsilon)) {}
  __device__ void operator()(float g, float& theta, float& m, float& v) const {
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * (g * g);
    theta -= step_size * m / (std::sqrt(v) * correction + epsilon);
  }
};

struct PlainSgdRule {
  using Step = SgdStep;
  static constexpr int kSlots = 0;
  float rate;

  __device__ explicit PlainSgdRule(const SgdStep& s) : rate(static_cast<float>(s.learning_rate)) {}
  __device__ void operator()(float g, float& theta) const { theta -= rate * g; }
};

struct MomentumSgdRule {
  using Step = SgdStep;
  static constexpr int kSlots = 1;  // velocity
  float rate, momentum;
  bool nesterov;

  __device__ explicit MomentumSgdRule(const SgdStep& s)
      : rate(static_cast<float>(s.learning_rate)),
        momentum(static_cast<float>(s.momentum)),
        nesterov(s.nesterov) {}
  __device__ void operator()(float g, float& theta, float& velocity) const {
    velocity = momentum * velocity + g;
    theta -= rate * (nesterov ? g + momentum * velocity : velocity);
  }
};

struct RmsPropRule {
  using Step = RmsPropStep;
  static constexpr int kSlots = 1;  // square
  float rate, decay, rest, inside, outside;

  __device__ explicit RmsPropRule(const RmsPropStep& s)
      : rate(static_cast<float>(s.learning_rate)),
        decay(static_cast<float>(s.decay)),
        rest(static_cast<float>(1.0 - s.decay)),
        inside(static_cast<float>(s.epsilon_inside_root ? s.epsilon : 0.0)),
        outside(static_cast<float>(s.epsilon_inside_root ? 0.0 : s.epsilon)) {}
  __device__ void operator()(float g, float& theta, float& square) const {
    square = decay * square + rest * (g * g);
    theta -= rate * g / (std::sqrt(square + inside) + outside);
  }
};

/// The average is the parameter, the value its gradient.
struct AverageRule {
  using Step = double;
  static constexpr int kSlots = 0;
  float decay, rest;

  __device__ explicit AverageRule(double d)
      : decay(static_cast<float>(d)), rest(static_cast<float>(1.0 - d)) {}
  __device__ void operator()(float value, float& average) const {
    average = decay == 0.0f ? value : decay * average + rest * value;
  }
};

/// One element or four neighbouring ones.
template <int kCount, class Rule>
__device__ __forceinline__ void update(const Rule& rule, const Segment<float>& segment,
                                       std::int64_t at) {
  auto theta = load_vector<kCount>(segment.theta + at);
  const auto g = load_vector<kCount>(segment.g + at);
  Vector<float, kCount> slots[2];
#pragma unroll
  for (int k = 0; k < Rule::kSlots; ++k)
    slots[k] = load_vector<kCount>(segment.slots[k] + at);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if constexpr (Rule::kSlots == 0)
      rule(g.values[i], theta.values[i]);
    else if constexpr (Rule::kSlots == 1)
      rule(g.values[i], theta.values[i], slots[0].values[i]);
    else
      rule(g.values[i], theta.values[i], slots[0].values[i], slots[1].values[i]);
  }
  store_vector<kCount>(theta, segment.theta + at);
#pragma unroll
  for (int k = 0; k < Rule::kSlots; ++k)
    store_vector<kCount>(slots[k], segment.slots[k] + at);
  if (segment.copy != nullptr) store_vector<kCount>(theta, segment.copy + at);
}

template <class Step>
using UpdateGroup = SegmentGroup<Segment<float>, sizeof(StepSource<Step>)>;

template <class Rule>
__global__ void __launch_bounds__(kElementwiseBlock)
    update_kernel(const __grid_constant__ UpdateGroup<typename Rule::Step> group,
                  StepSource<typename Rule::Step> step) {
  if (step.blocked()) return;
  constexpr int kCount = kVectorWidth<float>;
  const int found = group.segment_of(blockIdx.x);
  const Segment<float> segment = group.segments[found];
  const bool aligned = aligned_for<kCount>(segment.theta, segment.g, segment.slots[0],
                                           segment.slots[1], segment.copy);
  const Rule rule(step.get());
  for_each_in_chunk<kCount>(
      segment.n, blockIdx.x - group.first_block[found], aligned,
      [&](std::int64_t at) { update<kCount>(rule, segment, at); },
      [&](std::int64_t at) { update<1>(rule, segment, at); });
}

template <class Rule>
void launch_update(const char* name, std::span<const Segment<float>> segments,
                   const StepSource<typename Rule::Step>& step, Context& context) {
  for_each_segment_group<sizeof(step)>(segments, [&](const auto& group) {
    launch(LaunchConfig(name, group.blocks, kElementwiseBlock, context.stream), update_kernel<Rule>,
           group, step);
  });
}

}  // namespace

void adam_update(std::span<const Segment<float>> segments, const StepSource<AdamStep>& step,
                 Context& context) {
  launch_update<AdamRule>("adam_update", segments, step, context);
}

void sgd_update(std::span<const Segment<float>> segments, const StepSource<SgdStep>& step,
                Context& context) {
  if (segments.empty() || segments[0].slots[0] == nullptr)
    return launch_update<PlainSgdRule>("sgd_update", segments, step, context);
  launch_update<MomentumSgdRule>("sgd_update", segments, step, context);
}

void rmsprop_update(std::span<const Segment<float>> segments, const StepSource<RmsPropStep>& step,
                    Context& context) {
  launch_update<RmsPropRule>("rmsprop_update", segments, step, context);
}

void average_update(std::span<const Segment<float>> segments, const StepSource<double>& decay,
                    Context& context) {
  launch_update<AverageRule>("average_update", segments, decay, context);
}

}  // namespace whisker::inline v0_1::kernels::cuda
