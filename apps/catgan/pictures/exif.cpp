#include "pictures/exif.h"

#include <algorithm>
#include <cstddef>

namespace catgan {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;
constexpr std::uint16_t kShortType = 3, kLongType = 4;
constexpr std::size_t kEntryBytes = 12;

class TiffReader {
 public:
  TiffReader(std::span<const std::uint8_t> bytes, bool little_endian)
      : bytes_(bytes), little_endian_(little_endian) {}

  bool holds(std::size_t offset, std::size_t count) const {
    return offset <= bytes_.size() && count <= bytes_.size() - offset;
  }
  std::uint16_t u16(std::size_t at) const {
    const unsigned first = bytes_[at], second = bytes_[at + 1];
    return static_cast<std::uint16_t>(little_endian_ ? first | second << 8 : first << 8 | second);
  }
  std::uint32_t u32(std::size_t at) const {
    const std::uint32_t first = u16(at), second = u16(at + 2);
    return little_endian_ ? first | second << 16 : first << 16 | second;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  bool little_endian_;
};

}  // namespace

std::optional<int> exif_orientation(std::span<const std::uint8_t> tiff) {
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return {};
  const TiffReader reader(tiff, tiff[0] == 'I');
  const std::size_t directory = reader.u32(4);
  if (reader.u16(2) != 42 || !reader.holds(directory, 2)) return {};
  const std::size_t entries = reader.u16(directory);
  std::optional<int> found;
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (!reader.holds(entry, kEntryBytes)) break;
    if (reader.u16(entry) != kOrientationTag || reader.u32(entry + 4) != 1) continue;
    const std::uint16_t type = reader.u16(entry + 2);
    if (type == kShortType) found = reader.u16(entry + 8);
    if (type == kLongType) found = static_cast<int>(std::min(reader.u32(entry + 8), 9u));
  }
  return found;
}

std::optional<int> xmp_orientation(std::string_view packet) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = packet.find(kName); at != packet.npos; at = packet.find(kName, at + 1)) {
    std::string_view rest = packet.substr(at + kName.size());
    const std::size_t opening = rest.starts_with("=\"") ? 2 : rest.starts_with('>') ? 1 : 0;
    if (opening == 0 || rest.size() == opening) continue;
    const char digit = rest[opening];
    if (digit >= '0' && digit <= '9') return digit - '0';
  }
  return {};
}

int orientation_of(std::optional<int> exif, std::optional<int> xmp) {
  const int value = exif.value_or(xmp.value_or(1));
  return value >= 1 && value <= 8 ? value : 1;
}

}  // namespace catgan
