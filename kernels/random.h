// Fills of float32 arrays with random numbers: element i depends on (key, counter words, i) alone.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include <whisker/kernels/context.h>
#include <whisker/kernels/philox.h>

namespace whisker::inline v0_1::kernels {

/// The part of the counter that is the same for a whole array; the block index completes it.
struct RandomFill {
  PhiloxKey key{};
  std::uint32_t step = 0, stream = 0;

  WHISKER_HOST_DEVICE PhiloxCounter words(std::uint32_t block, std::uint32_t attempt = 0) const {
    return philox4x32({block, step, stream, attempt}, key);
  }
};

/// Box & Muller 1958, in double: a standard normal number from two words.
WHISKER_HOST_DEVICE inline double standard_normal(std::uint32_t first, std::uint32_t second) {
  // 1 - u is in (0, 1], where the logarithm is finite.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - double{unit_float(first)}));
  return radius * std::cos(2.0 * std::numbers::pi * double{unit_float(second)});
}

/// The standard normal number of element i, from the half of block i / 2 that is its own.
WHISKER_HOST_DEVICE inline double standard_normal(std::int64_t i, const RandomFill& fill,
                                                  std::uint32_t attempt = 0) {
  const PhiloxCounter words = fill.words(static_cast<std::uint32_t>(i / 2), attempt);
  return i % 2 == 0 ? standard_normal(words[0], words[1]) : standard_normal(words[2], words[3]);
}

/// The same, drawn again while it is beyond two standard deviations.
WHISKER_HOST_DEVICE inline double truncated_normal(std::int64_t i, const RandomFill& fill) {
  double z = standard_normal(i, fill);
  for (std::uint32_t attempt = 1; std::abs(z) > 2.0; ++attempt)
    z = standard_normal(i, fill, attempt);
  return z;
}

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

namespace cuda {

struct Context;

/// The bits of the CPU.
void random_uniform(float* y, std::int64_t n, float low, float high, const RandomFill& fill,
                    Context& context);
/// The CPU's numbers up to one unit in the last place: its log and cos may round otherwise.
void random_normal(float* y, std::int64_t n, float mean, float stddev, const RandomFill& fill,
                   Context& context);
void random_truncated_normal(float* y, std::int64_t n, float mean, float stddev,
                             const RandomFill& fill, Context& context);

}  // namespace cuda
}  // namespace whisker::inline v0_1::kernels
