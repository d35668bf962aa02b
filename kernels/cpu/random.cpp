#include <cmath>
#include <numbers>

#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/random.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 4096;  // a multiple of 4, so that blocks are not cut

double standard_normal(std::uint32_t first, std::uint32_t second) {
  // 1 - u is in (0, 1], where the logarithm is finite.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - double{unit_float(first)}));
  return radius * std::cos(2.0 * std::numbers::pi * double{unit_float(second)});
}

/// Calls body(i, words) where words[0] and words[1] belong to element i alone.
template <class Body>
void for_each_pair(std::int64_t n, const RandomFill& fill, const Body& body) {
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const PhiloxCounter words = fill.words(static_cast<std::uint32_t>(i / 2));
      const std::size_t lane = i % 2 ? 2 : 0;
      body(i, words[lane], words[lane + 1]);
    }
  });
}

}  // namespace

void random_uniform(float* y, std::int64_t n, float low, float high, const RandomFill& fill,
                    Context&) {
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const PhiloxCounter words = fill.words(static_cast<std::uint32_t>(i / 4));
      y[i] = uniform_float(words[static_cast<std::size_t>(i % 4)], low, high);
    }
  });
}

void random_normal(float* y, std::int64_t n, float mean, float stddev, const RandomFill& fill,
                   Context&) {
  for_each_pair(n, fill, [=](std::int64_t i, std::uint32_t first, std::uint32_t second) {
    y[i] = static_cast<float>(mean + stddev * standard_normal(first, second));
  });
}

void random_truncated_normal(float* y, std::int64_t n, float mean, float stddev,
                             const RandomFill& fill, Context&) {
  for_each_pair(n, fill, [&](std::int64_t i, std::uint32_t first, std::uint32_t second) {
    double z = standard_normal(first, second);
    for (std::uint32_t attempt = 1; std::abs(z) > 2.0; ++attempt) {
      const PhiloxCounter words = fill.words(static_cast<std::uint32_t>(i / 2), attempt);
      z = standard_normal(words[i % 2 ? 2 : 0], words[i % 2 ? 3 : 1]);
    }
    y[i] = static_cast<float>(mean + stddev * z);
  });
}

}  // namespace whisker::inline v0_1::kernels::cpu
