// Fills with random numbers: element i is a function of the key, the counter words and i alone,
// the same function as on the CPU. One thread serves the elements that share one Philox block.
#include <whisker/kernels/cuda/vector.cuh>
#include <whisker/kernels/random.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

struct Uniform {
  static constexpr int kPerBlock = 4;
  RandomFill fill;
  float low, high;
  /// The elements from 4 * block on.
  __device__ Vector<float, kPerBlock> operator()(std::int64_t block) const {
    const PhiloxCounter words = fill.words(static_cast<std::uint32_t>(block));
    return {{uniform_float(words[0], low, high), uniform_float(words[1], low, high),
             uniform_float(words[2], low, high), uniform_float(words[3], low, high)}};
  }
};

template <bool kTruncated>
struct Normal {
  static constexpr int kPerBlock = 2;
  RandomFill fill;
  float mean, stddev;
  /// The elements from 2 * block on.
  __device__ Vector<float, kPerBlock> operator()(std::int64_t block) const {
    return {{element(2 * block), element(2 * block + 1)}};
  }
  __device__ float element(std::int64_t i) const {
    const double z = kTruncated ? truncated_normal(i, fill) : standard_normal(i, fill);
    return static_cast<float>(mean + stddev * z);
  }
};

template <class Draw>
__global__ void __launch_bounds__(kElementwiseBlock)
    random_kernel(float* y, std::int64_t n, Draw draw, bool aligned) {
  constexpr int kCount = Draw::kPerBlock;
  const std::int64_t blocks = ceil_div(n, kCount);
  const std::int64_t threads = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t block = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; block < blocks;
       block += threads) {
    const Vector<float, kCount> values = draw(block);
    const std::int64_t first = block * kCount;
    if (aligned && first + kCount <= n) {
      store_vector<kCount>(values, y + first);
      continue;
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      if (first + i < n) y[first + i] = values.values[i];
  }
}

template <class Draw>
void draw_all(const char* name, float* y, std::int64_t n, const Draw& draw, Context& context) {
  if (n == 0) return;
  const LaunchConfig config(name, elementwise_grid(n / Draw::kPerBlock + 1, context),
                            kElementwiseBlock, context.stream);
  launch(config, random_kernel<Draw>, y, n, draw, aligned_for<Draw::kPerBlock>(y));
}

}  // namespace

void random_uniform(float* y, std::int64_t n, float low, float high, const RandomFill& fill,
                    Context& context) {
  draw_all("random_uniform", y, n, Uniform{fill, low, high}, context);
}

void random_normal(float* y, std::int64_t n, float mean, float stddev, const RandomFill& fill,
                   Context& context) {
  draw_all("random_normal", y, n, Normal<false>{fill, mean, stddev}, context);
}

void random_truncated_normal(float* y, std::int64_t n, float mean, float stddev,
                             const RandomFill& fill, Context& context) {
  draw_all("random_truncated_normal", y, n, Normal<true>{fill, mean, stddev}, context);
}

}  // namespace whisker::inline v0_1::kernels::cuda
