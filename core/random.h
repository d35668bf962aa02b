// Random tensors: (seed, stream, step, index) gives the same value on every device, so nothing has
// to be saved but three integers.
//
// With a key a function is pure: equal keys give equal tensors. With a Generator every call draws
// new numbers:
//
//   Generator generator(seed);
//   for (...) noise = random_normal({batch, 100}, 0.0f, 1.0f, generator);
#pragma once

#include <cstdint>
#include <vector>

#include <whisker/core/random_sequence.h>
#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// float32 values, uniform in [low, high).
Tensor random_uniform(const Shape& shape, float low, float high, RandomKey key);
/// float32 values, normal.
Tensor random_normal(const Shape& shape, float mean, float stddev, RandomKey key);
/// float32 values, normal but drawn again while more than two standard deviations off, as
/// tf.truncated_normal: their own standard deviation is 0.8796 of `stddev`.
Tensor random_truncated_normal(const Shape& shape, float mean, float stddev, RandomKey key);
/// 0 .. n - 1 in an order drawn by Fisher and Yates's shuffle.
std::vector<std::uint32_t> random_permutation(std::uint32_t n, RandomKey key);

inline Tensor random_uniform(const Shape& shape, float low, float high, Generator& generator) {
  return random_uniform(shape, low, high, generator.next());
}
inline Tensor random_normal(const Shape& shape, float mean, float stddev, Generator& generator) {
  return random_normal(shape, mean, stddev, generator.next());
}
inline Tensor random_truncated_normal(const Shape& shape, float mean, float stddev,
                                      Generator& generator) {
  return random_truncated_normal(shape, mean, stddev, generator.next());
}
inline std::vector<std::uint32_t> random_permutation(std::uint32_t n, Generator& generator) {
  return random_permutation(n, generator.next());
}
/// Standard normal values.
inline Tensor random_normal(const Shape& shape, Generator& generator) {
  return random_normal(shape, 0.0f, 1.0f, generator);
}

}  // namespace whisker::inline v0_1
