// float16 as IEEE 754 has it: read from files and converted, never computed with.
#pragma once

#include <bit>
#include <cstdint>

namespace whisker::inline v0_1 {

struct float16 {
  std::uint16_t bits;

  explicit constexpr operator float() const {
    const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31u;
    const std::uint32_t mantissa = bits & 0x3FFu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // zero or subnormal
    return sign ? -magnitude : magnitude;
  }
  friend constexpr bool operator==(float16, float16) = default;
};

}  // namespace whisker::inline v0_1
