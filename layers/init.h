// Initial values of parameters.
#pragma once

#include <cstdint>

#include <whisker/core/random.h>

namespace whisker::inline v0_1::nn {

/// Hands every parameter its own random numbers: layers built in the same order from the same seed
/// are equal.
class Init {
 public:
  explicit Init(std::uint64_t seed) : draws_(seed, kStream) {}

  /// Normal, re-drawn beyond two standard deviations: the article's choice for convolutions.
  Tensor truncated_normal(const Shape& shape, float stddev = 0.02f);
  /// Uniform within sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010), for [out, in] weights:
  /// TensorFlow 1's default for dense layers.
  Tensor glorot_uniform(const Shape& shape);

 private:
  static constexpr std::uint32_t kStream = 0x696E6974u;  // "init"
  Generator draws_;
};

/// A tensor as a parameter: it collects a gradient.
Tensor parameter(Tensor values);

}  // namespace whisker::inline v0_1::nn
