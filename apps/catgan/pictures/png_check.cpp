#include "pictures/png_check.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pictures/inflate.h"
#include "pictures/png_notes.h"

namespace catgan {
namespace {

using whisker::str;

constexpr std::array<std::uint8_t, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
constexpr std::size_t kChunkOverhead = 12;  // length, type, CRC
constexpr std::uint32_t kMaxChunkBytes = 0x7FFFFFFFu;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit)
      remainder = remainder & 1u ? remainder >> 1 ^ 0xEDB88320u : remainder >> 1;
    table[byte] = remainder;
  }
  return table;
}

constexpr auto kCrcTable = make_crc_table();

std::uint32_t big_endian_32(std::span<const std::uint8_t> bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
}

struct Chunk {
  std::size_t offset = 0;
  std::string type;
  std::span<const std::uint8_t> data;

  bool critical() const { return (type[0] & 0x20) == 0; }
};

class PngWalk {
 public:
  explicit PngWalk(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  ImageStream run() {
    check_signature();
    read_header(next_chunk());
    while (true) {
      const Chunk chunk = next_chunk();
      if (chunk.type == "IEND") break;
      read_chunk(chunk);
    }
    if (!has_data_) damaged("has no image data (IDAT) chunk");
    check_pixels();
    stream_.bytes = position_;
    stream_.orientation = notes_.orientation();
    stream_.own_kind = notes_.own_kind();
    return std::move(stream_);
  }

 private:
  [[noreturn]] static void damaged(const std::string& reason) {
    throw ImageError(Fault::damaged, str("the PNG ", reason));
  }

  [[noreturn]] void truncated(const std::string& where) const {
    throw ImageError(Fault::truncated,
                     str("the PNG is cut off ", where, " (file ends at byte ", bytes_.size(), ")"));
  }

  void check_signature() {
    const std::size_t present = std::min(bytes_.size(), kSignature.size());
    if (!std::equal(kSignature.begin(), kSignature.begin() + static_cast<long>(present),
                    bytes_.begin()))
      damaged("signature is damaged, as by a transfer in text mode");
    if (present < kSignature.size()) truncated("inside its signature");
    position_ = kSignature.size();
  }

  Chunk next_chunk() {
    const std::size_t left = bytes_.size() - position_;
    if (left < kChunkOverhead) truncated("before its IEND chunk");
    const std::uint32_t length = big_endian_32(bytes_.subspan(position_, 4));
    Chunk chunk;
    chunk.offset = position_;
    for (const std::uint8_t letter : bytes_.subspan(position_ + 4, 4)) {
      if (letter >= 128 || !std::isalpha(letter))
        damaged(str("has no chunk name at byte ", position_ + 4));
      chunk.type += static_cast<char>(letter);
    }
    if (length > kMaxChunkBytes)
      damaged(str("chunk ", chunk.type, " claims ", length, " bytes, more than a PNG may"));
    if (length > left - kChunkOverhead)
      truncated(str("inside chunk ", chunk.type, ", which claims ", length, " bytes"));
    chunk.data = bytes_.subspan(position_ + 8, length);
    const std::uint32_t stored = big_endian_32(bytes_.subspan(position_ + 8 + length, 4));
    if (crc32(bytes_.subspan(position_ + 4, 4 + std::size_t{length})) != stored)
      damaged(str("chunk ", chunk.type, " at byte ", position_, " fails its CRC-32"));
    position_ += kChunkOverhead + length;
    return chunk;
  }

  void read_header(const Chunk& chunk) {
    if (chunk.type == "CgBI")
      throw ImageError(Fault::unsupported, "is an iPhone-only PNG (CgBI); convert it first");
    if (chunk.type != "IHDR" || chunk.data.size() != 13)
      damaged("does not begin with a 13-byte IHDR chunk");
    check_dimensions(big_endian_32(chunk.data), big_endian_32(chunk.data.subspan(4)));
    stream_.format = ImageFormat::png;
    stream_.width = static_cast<int>(big_endian_32(chunk.data));
    stream_.height = static_cast<int>(big_endian_32(chunk.data.subspan(4)));
    stream_.bit_depth = chunk.data[8];
    color_type_ = chunk.data[9];
    stream_.channels = channels_of(color_type_, stream_.bit_depth);
    if (stream_.channels == 0)
      damaged(str("header has bit depth ", stream_.bit_depth, " with colour type ", color_type_));
    if (chunk.data[10] != 0 || chunk.data[11] != 0 || chunk.data[12] > 1)
      damaged("header names an unknown compression, filter or interlace method");
    interlaced_ = chunk.data[12] == 1;
  }

  // The permitted pairs of PNG table 11; 0 for any other.
  static int channels_of(int color_type, int depth) {
    const bool whole_bytes = depth == 8 || depth == 16;
    const bool packed = depth == 1 || depth == 2 || depth == 4;
    if (color_type == 0 && (packed || whole_bytes)) return 1;
    if (color_type == 3 && (packed || depth == 8)) return 1;
    if (color_type == 2 && whole_bytes) return 3;
    if (color_type == 4 && whole_bytes) return 2;
    if (color_type == 6 && whole_bytes) return 4;
    return 0;
  }

  void read_chunk(const Chunk& chunk) {
    if (chunk.type == "PLTE") {
      const std::size_t size = chunk.data.size();
      if (size == 0 || size % 3 != 0 || size > 3 * 256)
        damaged(str("palette has ", size, " bytes; it wants 3 per colour and at most 256 colours"));
      if (stream_.palette_at != 0) damaged("has two palettes");
      stream_.palette_at = chunk.offset;
    } else if (chunk.type == "IDAT") {
      if (color_type_ == 3 && stream_.palette_at == 0) damaged("has no palette before its pixels");
      if (has_data_ && !in_data_) damaged("has other chunks between its pixels");
      has_data_ = true;
      packed_.insert(packed_.end(), chunk.data.begin(), chunk.data.end());
    } else if (chunk.critical()) {
      damaged(str("needs the unknown chunk ", chunk.type));
    } else {
      notes_.read(chunk.type, chunk.data);
    }
    in_data_ = chunk.type == "IDAT";
  }

  // Twice what the size calls for, and some: an encoder that pads has made no bomb.
  void check_pixels() const {
    constexpr std::uint64_t kSlack = 65536;
    const std::uint64_t wanted = interlaced_ ? interlaced_bytes() : pass_bytes(0, 0, 1, 1);
    std::uint64_t unpacked = 0;
    inflate_zlib(packed_, 2 * wanted + kSlack, [&](auto bytes) { unpacked += bytes.size(); });
    if (unpacked < wanted)
      damaged(str("has ", unpacked, " bytes of pixels, its size calls for ", wanted));
  }

  // Every pixel whose distance from (x, y) is a multiple of the steps; a filter byte begins a row.
  std::uint64_t pass_bytes(int x, int y, int step_x, int step_y) const {
    if (x >= stream_.width || y >= stream_.height) return 0;
    const auto columns = static_cast<std::uint64_t>((stream_.width - x + step_x - 1) / step_x);
    const auto rows = static_cast<std::uint64_t>((stream_.height - y + step_y - 1) / step_y);
    const auto bits = static_cast<std::uint64_t>(stream_.channels * stream_.bit_depth);
    return rows * (1 + (columns * bits + 7) / 8);
  }

  // Adam7, PNG section 8.1.
  std::uint64_t interlaced_bytes() const {
    return pass_bytes(0, 0, 8, 8) + pass_bytes(4, 0, 8, 8) + pass_bytes(0, 4, 4, 8) +
           pass_bytes(2, 0, 4, 4) + pass_bytes(0, 2, 2, 4) + pass_bytes(1, 0, 2, 2) +
           pass_bytes(0, 1, 1, 2);
  }

  std::span<const std::uint8_t> bytes_;
  std::size_t position_ = 0;
  ImageStream stream_;
  int color_type_ = 0;
  bool interlaced_ = false, has_data_ = false, in_data_ = false;
  std::vector<std::uint8_t> packed_;  // all IDAT chunks
  PngNotes notes_;
};

}  // namespace

std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  std::uint32_t remainder = 0xFFFFFFFFu;
  for (const std::uint8_t byte : bytes)
    remainder = remainder >> 8 ^ kCrcTable[(remainder ^ byte) & 0xFFu];
  return ~remainder;
}

ImageStream check_png(std::span<const std::uint8_t> bytes) {
  return PngWalk(bytes).run();
}

}  // namespace catgan
