#include <cmath>

#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/optimizer.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 65536;

template <class T>
[[gnu::always_inline]] inline void adam(T* theta, const T* g, T* m, T* v, std::int64_t n,
                                        const AdamStep& s) {
  const T beta1 = T(s.beta1), rest1 = T(1.0 - s.beta1), beta2 = T(s.beta2),
          rest2 = T(1.0 - s.beta2);
  const T step_size = T(s.step_size), correction = T(s.inverse_sqrt_correction),
          epsilon = T(s.epsilon);
  for (std::int64_t i = 0; i < n; ++i) {
    m[i] = beta1 * m[i] + rest1 * g[i];
    v[i] = beta2 * v[i] + rest2 * (g[i] * g[i]);
    theta[i] -= step_size * m[i] / (std::sqrt(v[i]) * correction + epsilon);
  }
}

WHISKER_SIMD_CLONES void adam_range(float* theta, const float* g, float* m, float* v,
                                    std::int64_t n, const AdamStep& step) {
  adam(theta, g, m, v, n, step);
}
WHISKER_SIMD_CLONES void adam_range(double* theta, const double* g, double* m, double* v,
                                    std::int64_t n, const AdamStep& step) {
  adam(theta, g, m, v, n, step);
}

}  // namespace

template <class T>
void adam_update(std::span<const Segment<T>> segments, const StepSource<AdamStep>& step, Context&) {
  if (step.blocked()) return;
  for (const Segment<T>& s : segments)
    parallel_for(s.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      adam_range(s.theta + begin, s.g + begin, s.slots[0] + begin, s.slots[1] + begin, end - begin,
                 step.get());
    });
}

template <class T>
void sgd_update(std::span<const Segment<T>> segments, const StepSource<SgdStep>& source, Context&) {
  if (source.blocked()) return;
  const SgdStep step = source.get();
  const T rate = T(step.learning_rate), momentum = T(step.momentum);
  for (const Segment<T>& s : segments)
    parallel_for(s.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      T *theta = s.theta, *velocity = s.slots[0];
      const T* g = s.g;
      for (std::int64_t i = begin; i < end; ++i) {
        T direction = g[i];
        if (velocity) {
          velocity[i] = momentum * velocity[i] + g[i];
          direction = step.nesterov ? g[i] + momentum * velocity[i] : velocity[i];
        }
        theta[i] -= rate * direction;
      }
    });
}

template <class T>
void rmsprop_update(std::span<const Segment<T>> segments, const StepSource<RmsPropStep>& source,
                    Context&) {
  if (source.blocked()) return;
  const RmsPropStep step = source.get();
  const T rate = T(step.learning_rate), decay = T(step.decay), rest = T(1.0 - step.decay);
  const T inside = T(step.epsilon_inside_root ? step.epsilon : 0.0);
  const T outside = T(step.epsilon_inside_root ? 0.0 : step.epsilon);
  for (const Segment<T>& s : segments)
    parallel_for(s.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      T *theta = s.theta, *square = s.slots[0];
      const T* g = s.g;
      for (std::int64_t i = begin; i < end; ++i) {
        square[i] = decay * square[i] + rest * (g[i] * g[i]);
        theta[i] -= rate * g[i] / (std::sqrt(square[i] + inside) + outside);
      }
    });
}

template <class T>
void average_update(std::span<const Segment<T>> segments, const StepSource<double>& decay,
                    Context&) {
  if (decay.blocked()) return;
  const T keep = T(decay.get()), rest = T(1.0 - decay.get());
  for (const Segment<T>& s : segments)
    parallel_for(s.n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      T* average = s.theta;
      const T* value = s.g;
      for (std::int64_t i = begin; i < end; ++i)
        average[i] = keep == T(0) ? value[i] : keep * average[i] + rest * value[i];
    });
}

#define WHISKER_INSTANTIATE(T)                                                                    \
  template void adam_update<T>(std::span<const Segment<T>>, const StepSource<AdamStep>&,          \
                               Context&);                                                         \
  template void sgd_update<T>(std::span<const Segment<T>>, const StepSource<SgdStep>&, Context&); \
  template void rmsprop_update<T>(std::span<const Segment<T>>, const StepSource<RmsPropStep>&,    \
                                  Context&);                                                      \
  template void average_update<T>(std::span<const Segment<T>>, const StepSource<double>&, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(double)

}  // namespace whisker::inline v0_1::kernels::cpu
