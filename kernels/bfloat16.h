// bfloat16: the upper half of a float32, rounded to nearest even.
#pragma once

#include <bit>
#include <cstdint>

#include <whisker/kernels/host_device.h>

namespace whisker::inline v0_1 {

struct bfloat16 {
  std::uint16_t bits;  // not initialised, so that shared memory can hold arrays of them

  bfloat16() = default;
  WHISKER_HOST_DEVICE explicit constexpr bfloat16(float value)
      : bits(round(std::bit_cast<std::uint32_t>(value))) {}
  WHISKER_HOST_DEVICE explicit constexpr operator float() const {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
  }
  friend constexpr bool operator==(bfloat16, bfloat16) = default;

 private:
  WHISKER_HOST_DEVICE static constexpr std::uint16_t round(std::uint32_t word) {
    // Rounding could carry a NaN into infinity, so NaNs keep a set mantissa bit instead.
    const bool is_nan = (word & 0x7FFFFFFFu) > 0x7F800000u;
    const std::uint32_t rounded = word + 0x7FFFu + ((word >> 16) & 1u);
    return static_cast<std::uint16_t>((is_nan ? word | 0x400000u : rounded) >> 16);
  }
};

/// The type of the arithmetic, weights and statistics that go with elements of type T.
template <class T>
struct ComputeType {
  using type = T;
};
template <>
struct ComputeType<bfloat16> {
  using type = float;
};
template <class T>
using compute_type = typename ComputeType<T>::type;

}  // namespace whisker::inline v0_1
