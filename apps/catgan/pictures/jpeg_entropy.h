// A walk over the entropy-coded data of a JPEG: is there a code for every block of the picture?
// Decoders fill up what is missing with grey or with the last color, and say nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace catgan {

/// A Huffman table of T.81 annex C.
class JpegCode {
 public:
  JpegCode() = default;
  /// counts[i] codes of i + 1 bits; the values in the order of their codes.
  JpegCode(std::span<const std::uint8_t> counts, std::span<const std::uint8_t> values);

  struct Found {
    int bits = 0;  // 0: no code begins so
    std::uint8_t value = 0;
  };
  /// The code that the 16 bits begin with.
  Found find(unsigned bits16) const;

 private:
  static constexpr int kFastBits = 9;

  std::array<std::uint16_t, 1 << kFastBits> fast_{};  // value, length
  std::array<unsigned, 17> end_{}, place_{};          // behind the last code of a length; its value
  std::vector<std::uint8_t> values_;
};

struct ScanComponent {
  int horizontal = 1, vertical = 1;      // blocks in an interleaved unit
  int blocks_wide = 0, blocks_high = 0;  // of the component alone
  const JpegCode* dc = nullptr;
  const JpegCode* ac = nullptr;
  /// Progressive: which coefficients of each block are not zero so far, blocks_stride to a row.
  std::vector<std::uint64_t>* nonzero = nullptr;
  std::size_t blocks_stride = 0;
};

struct Scan {
  std::span<const std::uint8_t> data;  // up to the marker behind it
  std::vector<ScanComponent> components;
  int units_wide = 0, units_high = 0;  // of an interleaved scan
  std::size_t restart_interval = 0;    // 0: none
  bool progressive = false;
  int first = 0, last = 63, high = 0;  // coefficients; the bits that earlier scans gave
};

/// Throws ImageError (truncated, damaged) unless the data codes every block. Bytes left over are
/// allowed: cameras pad.
void check_scan(const Scan& scan);

}  // namespace catgan
