#include <array>
#include <bit>
#include <cstring>

#include <whisker/core/crc32c.h>

namespace whisker::inline v0_1 {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the wide step loads little-endian words");

constexpr int kSlices = 16;
using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

// Row k holds the effect of a byte that k zero bytes follow, so that kSlices bytes are folded in at
// once (M. E. Kounavis and F. L. Berry, "A Systematic Approach to Building High Performance
// Software-based CRC Generators", 2005).
constexpr Tables make_tables() {
  constexpr std::uint32_t kReflectedPolynomial = 0x82F63B78;
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ (crc & 1 ? kReflectedPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < kSlices; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      tables[k][byte] = (tables[k - 1][byte] >> 8) ^ tables[0][tables[k - 1][byte] & 0xFF];
  return tables;
}
constexpr Tables kTables = make_tables();

// The effect of eight bytes when `zeros` more bytes follow them in the same step.
template <std::size_t zeros>
std::uint32_t fold(std::uint64_t word) {
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < 8; ++i)
    crc ^= kTables[zeros + 7 - i][(word >> (8 * i)) & 0xFF];
  return crc;
}

}  // namespace

void Crc32c::add(std::span<const std::byte> bytes) {
  std::uint32_t crc = state_;
  for (; bytes.size() >= kSlices; bytes = bytes.subspan(kSlices)) {
    std::uint64_t first, second;
    std::memcpy(&first, bytes.data(), 8);
    std::memcpy(&second, bytes.data() + 8, 8);
    crc = fold<8>(first ^ crc) ^ fold<0>(second);
  }
  for (const std::byte byte : bytes)
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<std::uint32_t>(byte)) & 0xFF];
  state_ = crc;
}

}  // namespace whisker::inline v0_1
