// Random scalars on the host, drawn one after another from a Philox counter.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include <whisker/kernels/check.h>
#include <whisker/kernels/philox.h>

namespace whisker::inline v0_1 {

/// Names a set of random numbers: equal keys give equal numbers on every device and run, so a key
/// that is used twice repeats its numbers. Give every draw another step, or let a Generator do it.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;  // what the numbers are for: noise, shuffling, one parameter, ...
  std::uint32_t step = 0;    // which draw of that stream

  kernels::PhiloxCounter counter(std::uint32_t block, std::uint32_t attempt = 0) const {
    return {block, step, stream, attempt};
  }
  kernels::PhiloxKey philox_key() const {
    return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  }
};

/// Hands out a fresh key for every draw, as torch.Generator does: those of one seed and stream,
/// step after step. To go on later from the same place, keep position() and start there. It cannot
/// be copied, because the copy would repeat the original's numbers.
class Generator {
 public:
  explicit Generator(std::uint64_t seed, std::uint32_t stream = 0)
      : Generator(RandomKey{.seed = seed, .stream = stream}) {}
  explicit Generator(RandomKey position) : position_(position) {}
  Generator(Generator&&) = default;
  Generator& operator=(Generator&&) = default;

  /// The key of the next draw; throws Error after 2^32 draws, when they would start to repeat.
  RandomKey next() {
    check(!exhausted_, "Generator: all 2^32 draws of seed ", position_.seed, ", stream ",
          position_.stream, " are used; go on with another stream");
    const RandomKey key = position_;
    exhausted_ = ++position_.step == 0;
    return key;
  }
  /// The key that next() will give.
  const RandomKey& position() const { return position_; }

 private:
  RandomKey position_;
  bool exhausted_ = false;
};

/// A cursor over the numbers of one key, for scalar use such as shuffling or drawing pictures.
class RandomSequence {
 public:
  explicit RandomSequence(RandomKey key) : key_(key) {}

  std::uint32_t next() {
    const std::uint32_t lane = position_ & 3u;
    if (lane == 0) words_ = kernels::philox4x32(key_.counter(position_ >> 2), key_.philox_key());
    ++position_;
    return words_[lane];
  }

  /// Uniform in [low, high).
  float uniform(float low = 0.0f, float high = 1.0f) {
    return kernels::uniform_float(next(), low, high);
  }

  /// Uniform in {0, ..., bound - 1} without modulo bias (Lemire, ACM TOMACS 2019).
  std::uint32_t below(std::uint32_t bound) {
    check(bound > 0, "RandomSequence::below: bound must be positive");
    const std::uint32_t threshold = (0u - bound) % bound;
    while (true) {
      const std::uint64_t product = std::uint64_t{next()} * bound;
      if (static_cast<std::uint32_t>(product) >= threshold)
        return static_cast<std::uint32_t>(product >> 32);
    }
  }

  /// Standard normal by the Box-Muller transform.
  float normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - static_cast<double>(uniform())));
    return static_cast<float>(radius *
                              std::cos(2.0 * std::numbers::pi * static_cast<double>(uniform())));
  }

 private:
  RandomKey key_;
  std::uint32_t position_ = 0;
  kernels::PhiloxCounter words_{};
};

}  // namespace whisker::inline v0_1
