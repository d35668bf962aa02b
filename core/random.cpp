#include <numeric>
#include <utility>

#include <whisker/core/backend.h>
#include <whisker/core/random.h>
#include <whisker/kernels/random.h>

namespace whisker::inline v0_1 {
namespace {

/// draw(elements, how many, where in the random stream, context) on default_device().
template <class Draw>
Tensor filled(const Shape& shape, RandomKey key, Draw draw) {
  // The block index is one 32-bit counter word and a block serves at least two elements.
  check<ShapeError>(shape.numel() <= std::int64_t{1} << 32, "random: ", shape,
                    " has more elements than one key can serve");
  Tensor y = Tensor::empty(shape);
  const kernels::RandomFill fill{.key = key.philox_key(), .step = key.step, .stream = key.stream};
  with_context(y.device(), [&](auto& context) {
    draw(y.kernel_mutable_data<float>(), shape.numel(), fill, context);
  });
  return y;
}

}  // namespace

Tensor random_uniform(const Shape& shape, float low, float high, RandomKey key) {
  return filled(shape, key, [=](float* y, std::int64_t n, const auto& fill, auto& context) {
    random_uniform(y, n, low, high, fill, context);
  });
}

Tensor random_normal(const Shape& shape, float mean, float stddev, RandomKey key) {
  return filled(shape, key, [=](float* y, std::int64_t n, const auto& fill, auto& context) {
    random_normal(y, n, mean, stddev, fill, context);
  });
}

Tensor random_truncated_normal(const Shape& shape, float mean, float stddev, RandomKey key) {
  return filled(shape, key, [=](float* y, std::int64_t n, const auto& fill, auto& context) {
    random_truncated_normal(y, n, mean, stddev, fill, context);
  });
}

std::vector<std::uint32_t> random_permutation(std::uint32_t n, RandomKey key) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  RandomSequence draws(key);
  for (std::uint32_t i = n; i > 1; --i)
    std::swap(order[i - 1], order[draws.below(i)]);
  return order;
}

}  // namespace whisker::inline v0_1
