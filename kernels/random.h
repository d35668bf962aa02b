// Fills of float32 arrays with random numbers: element i depends on (key, counter words, i) alone.
#pragma once

#include <cstdint>

#include <whisker/kernels/context.h>
#include <whisker/kernels/philox.h>

namespace whisker::inline v0_1::kernels {

/// The part of the counter that is the same for a whole array; the block index completes it.
struct RandomFill {
  PhiloxKey key{};
  std::uint32_t step = 0, stream = 0;

  PhiloxCounter words(std::uint32_t block, std::uint32_t attempt = 0) const {
    return philox4x32({block, step, stream, attempt}, key);
  }
};

namespace cpu {

/// y[i] uniform in [low, high).
void random_uniform(float* y, std::int64_t n, float low, float high, const RandomFill& fill,
                    Context& context);
/// y[i] = mean + stddev * z with z standard normal, by the Box-Muller transform in double.
void random_normal(float* y, std::int64_t n, float mean, float stddev, const RandomFill& fill,
                   Context& context);
/// The same with z drawn again while it is beyond two standard deviations, as TensorFlow does.
void random_truncated_normal(float* y, std::int64_t n, float mean, float stddev,
                             const RandomFill& fill, Context& context);

}  // namespace cpu
}  // namespace whisker::inline v0_1::kernels
