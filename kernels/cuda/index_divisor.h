// Divisions of sizes and indices; by a number that is fixed for a launch they are a multiplication
// and a shift.
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <whisker/kernels/host_device.h>

namespace whisker::inline v0_1::kernels::cuda {

/// a / b rounded up, for a >= 0 and b > 0.
template <std::integral Int>
WHISKER_HOST_DEVICE constexpr Int ceil_div(Int a, std::type_identity_t<Int> b) {
  return (a + b - 1) / b;
}

/// Divides 0 <= n < 2^31 exactly by a positive int (Granlund and Montgomery, PLDI 1994, figure
/// 4.1); a division instruction would be about twenty times as long.
class IndexDivisor {
 public:
  constexpr IndexDivisor() = default;
  constexpr explicit IndexDivisor(int divisor) : value_(divisor) {
    while ((std::uint64_t{1} << shift_) < static_cast<std::uint64_t>(divisor))
      ++shift_;
    const auto d = static_cast<std::uint64_t>(divisor);
    magic_ = static_cast<std::uint32_t>((((std::uint64_t{1} << shift_) - d) << 32) / d + 1);
  }

  WHISKER_HOST_DEVICE constexpr int value() const { return value_; }
  WHISKER_HOST_DEVICE constexpr int divide(int n) const {
    const auto wide = static_cast<std::uint64_t>(n);
    const auto high = static_cast<std::uint32_t>((wide * magic_) >> 32);
    return static_cast<int>((high + static_cast<std::uint32_t>(n)) >> shift_);
  }

  struct Split {
    int quotient, remainder;
  };
  WHISKER_HOST_DEVICE constexpr Split split(int n) const {
    const int quotient = divide(n);
    return {quotient, n - quotient * value_};
  }

 private:
  int value_ = 1;
  std::uint32_t magic_ = 1;
  std::uint32_t shift_ = 0;
};

}  // namespace whisker::inline v0_1::kernels::cuda
