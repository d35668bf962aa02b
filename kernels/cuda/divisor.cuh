// Division of unsigned 32-bit numbers by one that is known before the launch.
#pragma once

#include <bit>
#include <cstdint>

#include <whisker/kernels/host_device.h>

namespace whisker::inline v0_1::kernels::cuda {

/// Granlund & Montgomery 1994, "Division by invariant integers using multiplication": a product
/// and a shift in place of the GPU's long division. Exact for 1 <= d < 2^31 and n < 2^31.
class Divisor {
 public:
  Divisor() = default;
  explicit Divisor(std::uint32_t d) : d_(d), shift_(static_cast<int>(std::bit_width(d - 1))) {
    const std::uint64_t power = std::uint64_t{1} << shift_;
    multiplier_ = static_cast<std::uint32_t>(((power - d) << 32) / d + 1);
  }
  WHISKER_HOST_DEVICE std::uint32_t divide(std::uint32_t n) const {
    // The product's upper half is below n, so that the sum keeps to 32 bits for n < 2^31.
    const auto high = static_cast<std::uint32_t>((std::uint64_t{multiplier_} * n) >> 32);
    return (high + n) >> shift_;
  }
  WHISKER_HOST_DEVICE std::uint32_t value() const { return d_; }

 private:
  std::uint32_t d_ = 1, multiplier_ = 1;
  int shift_ = 0;
};

/// Divides n in place and returns the remainder.
WHISKER_HOST_DEVICE inline std::uint32_t take_remainder(std::uint32_t& n, const Divisor& divisor) {
  const std::uint32_t quotient = divisor.divide(n);
  const std::uint32_t remainder = n - quotient * divisor.value();
  n = quotient;
  return remainder;
}

}  // namespace whisker::inline v0_1::kernels::cuda
