#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/random.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 4096;  // a multiple of 4, so that blocks are not cut

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
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y[i] = static_cast<float>(mean + stddev * standard_normal(i, fill));
  });
}

void random_truncated_normal(float* y, std::int64_t n, float mean, float stddev,
                             const RandomFill& fill, Context&) {
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y[i] = static_cast<float>(mean + stddev * truncated_normal(i, fill));
  });
}

}  // namespace whisker::inline v0_1::kernels::cpu
