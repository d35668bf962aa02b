// Philox 4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3" (SC 2011): (key, counter) -> four independent 32-bit words, no state to carry.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include <whisker/kernels/host_device.h>

namespace whisker::inline v0_1::kernels {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

/// Four random words for one counter value; equal arguments give equal words on every device.
WHISKER_HOST_DEVICE constexpr PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

/// Maps a word to the float grid k / 2^24 in [0, 1): every value is exact in float32.
WHISKER_HOST_DEVICE constexpr float unit_float(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

/// Maps a word to [low, high), which rounding alone would not keep to. The product is exact in
/// double, so that a compiler that fuses it with the sum changes no bit.
WHISKER_HOST_DEVICE inline float uniform_float(std::uint32_t word, float low, float high) {
  const double offset = static_cast<double>(high - low) * static_cast<double>(unit_float(word));
  const auto value = static_cast<float>(static_cast<double>(low) + offset);
  return value < high ? value : std::nextafter(high, low);
}

}  // namespace whisker::inline v0_1::kernels
