// The CRC-32C checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace whisker::inline v0_1 {

/// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected; RFC 3720, section 12.1), fed in any number
/// of pieces. The value for the nine bytes "123456789" is 0xE3069283.
class Crc32c {
 public:
  void add(std::span<const std::byte> bytes);
  std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = ~std::uint32_t{0};
};

}  // namespace whisker::inline v0_1
