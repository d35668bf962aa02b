// Optimizers: one pass over flat arrays that reads the gradient, the parameters and their slots
// and writes the parameters, the slots and, if there is one, the bfloat16 copy of the parameters.
// The numbers of a step are rounded to float once per thread, as the CPU does once per call.
#include <cmath>

#include <whisker/kernels/cuda/vector.cuh>
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
    average = decay * average + rest * value;
  }
};

struct Arrays {
  float* theta;
  const float* g;
  float* slots[2];  // null where the rule has fewer
  bfloat16* copy;   // may be null
};

/// One element or four neighbouring ones.
template <int kCount, class Rule>
__device__ __forceinline__ void update(const Rule& rule, const Arrays& arrays, std::int64_t at) {
  auto theta = load_vector<kCount>(arrays.theta + at);
  const auto g = load_vector<kCount>(arrays.g + at);
  Vector<float, kCount> slots[2];
#pragma unroll
  for (int k = 0; k < Rule::kSlots; ++k)
    slots[k] = load_vector<kCount>(arrays.slots[k] + at);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if constexpr (Rule::kSlots == 0)
      rule(g.values[i], theta.values[i]);
    else if constexpr (Rule::kSlots == 1)
      rule(g.values[i], theta.values[i], slots[0].values[i]);
    else
      rule(g.values[i], theta.values[i], slots[0].values[i], slots[1].values[i]);
  }
  store_vector<kCount>(theta, arrays.theta + at);
#pragma unroll
  for (int k = 0; k < Rule::kSlots; ++k)
    store_vector<kCount>(slots[k], arrays.slots[k] + at);
  if (arrays.copy != nullptr) store_vector<kCount>(theta, arrays.copy + at);
}

template <class Rule>
__global__ void __launch_bounds__(kElementwiseBlock)
    update_kernel(Arrays arrays, VectorSplit split, StepSource<typename Rule::Step> source) {
  constexpr int kCount = kVectorWidth<float>;
  const Rule rule(source.device != nullptr ? *source.device : source.value);
  for_each_element<kCount>(
      split, [&](std::int64_t at) { update<kCount>(rule, arrays, at); },
      [&](std::int64_t at) { update<1>(rule, arrays, at); });
}

template <class Rule>
void launch_update(const char* name, const Arrays& arrays, std::int64_t n,
                   const StepSource<typename Rule::Step>& step, Context& context) {
  constexpr int kCount = kVectorWidth<float>;
  if (n == 0) return;
  const bool aligned =
      aligned_for<kCount>(arrays.theta, arrays.g, arrays.slots[0], arrays.slots[1], arrays.copy);
  const VectorSplit split{.vectors = aligned ? n / kCount : 0, .n = n};
  const LaunchConfig config(name, elementwise_grid(n / kCount + 1, context), kElementwiseBlock,
                            context.stream);
  launch(config, update_kernel<Rule>, arrays, split, step);
}

__global__ void adam_advance_kernel(AdamSchedule* schedule, AdamStep* step) {
  const AdamSchedule s = *schedule;
  const auto t = static_cast<double>(s.steps + 1);
  const double c1 = 1.0 - std::pow(s.beta1, t), c2 = 1.0 - std::pow(s.beta2, t);
  *step = {.step_size = (s.epsilon_hat ? s.learning_rate * std::sqrt(c2) : s.learning_rate) / c1,
           .beta1 = s.beta1,
           .beta2 = s.beta2,
           .epsilon = s.epsilon,
           .inverse_sqrt_correction = s.epsilon_hat ? 1.0 : 1.0 / std::sqrt(c2)};
  schedule->steps = s.steps + 1;
}

}  // namespace

void adam_advance(AdamSchedule* schedule, AdamStep* step, Context& context) {
  launch(LaunchConfig("adam_advance", 1, 1, context.stream), adam_advance_kernel, schedule, step);
}

void adam_update(float* theta, const float* g, float* m, float* v, std::int64_t n,
                 const StepSource<AdamStep>& step, Context& context, bfloat16* copy) {
  launch_update<AdamRule>("adam_update", {theta, g, {m, v}, copy}, n, step, context);
}

void sgd_update(float* theta, const float* g, float* velocity, std::int64_t n,
                const StepSource<SgdStep>& step, Context& context, bfloat16* copy) {
  const Arrays arrays{theta, g, {velocity, nullptr}, copy};
  if (velocity == nullptr)
    return launch_update<PlainSgdRule>("sgd_update", arrays, n, step, context);
  launch_update<MomentumSgdRule>("sgd_update", arrays, n, step, context);
}

void rmsprop_update(float* theta, const float* g, float* square, std::int64_t n,
                    const StepSource<RmsPropStep>& step, Context& context, bfloat16* copy) {
  launch_update<RmsPropRule>("rmsprop_update", {theta, g, {square, nullptr}, copy}, n, step,
                             context);
}

void average_update(float* average, const float* value, std::int64_t n,
                    const StepSource<double>& decay, Context& context) {
  launch_update<AverageRule>("average_update", {average, value, {nullptr, nullptr}, nullptr}, n,
                             decay, context);
}

}  // namespace whisker::inline v0_1::kernels::cuda
