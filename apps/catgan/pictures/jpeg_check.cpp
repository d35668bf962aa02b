#include "pictures/jpeg_check.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "pictures/exif.h"

namespace catgan {
namespace {

using whisker::str;

constexpr int kStartOfImage = 0xD8, kEndOfImage = 0xD9, kStartOfScan = 0xDA;
constexpr int kQuantisationTables = 0xDB, kHuffmanTables = 0xC4, kArithmeticTables = 0xCC;
constexpr int kProgressiveFrame = 0xC2, kExtensionC8 = 0xC8, kApp1 = 0xE1;

// A progressive scan of two bytes makes the decoder visit every block, so a small file of many
// scans could hold a core for hours. Ordinary progressive files have about ten.
constexpr std::size_t kMaxPixelScans = std::size_t{1} << 30;

bool is_restart(int marker) {
  return marker >= 0xD0 && marker <= 0xD7;
}

bool is_frame(int marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != kHuffmanTables && marker != kExtensionC8 &&
         marker != kArithmeticTables;
}

std::string marker_name(int marker) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return {'F', 'F', kDigits[marker >> 4], kDigits[marker & 15]};
}

struct Component {
  int id = 0;
  int quantisation_table = 0;
  bool coded = false;
};

class JpegWalk {
 public:
  explicit JpegWalk(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  ImageStream run() {
    position_ = 2;
    for (int marker = next_marker(); marker != kEndOfImage; marker = next_marker())
      read_segment(marker);
    if (components_.empty()) damaged("ends without a frame header");
    for (const Component& component : components_) {
      if (!component.coded) damaged(str("has no data for component ", component.id));
    }
    stream_.bytes = position_;
    return stream_;
  }

 private:
  [[noreturn]] static void damaged(const std::string& reason) {
    throw ImageError(Fault::damaged, str("the JPEG ", reason));
  }

  [[noreturn]] static void unsupported(const std::string& reason) {
    throw ImageError(Fault::unsupported, str("is a ", reason));
  }

  [[noreturn]] void truncated(const std::string& where) const {
    throw ImageError(Fault::truncated, str("the JPEG is cut off ", where, " (file ends at byte ",
                                           bytes_.size(), ", no end-of-image marker)"));
  }

  // Cameras pad between segments, and any number of FF may precede a marker.
  int next_marker() {
    while (position_ < bytes_.size() && bytes_[position_] != 0xFF)
      ++position_;
    while (position_ < bytes_.size() && bytes_[position_] == 0xFF)
      ++position_;
    if (position_ >= bytes_.size()) truncated(components_.empty() ? "in its headers" : "");
    return bytes_[position_++];
  }

  std::span<const std::uint8_t> take_segment(int marker) {
    if (bytes_.size() - position_ < 2) truncated(str("inside segment ", marker_name(marker)));
    const std::size_t length = std::size_t{bytes_[position_]} << 8 | bytes_[position_ + 1];
    if (length < 2) damaged(str("segment ", marker_name(marker), " has length ", length));
    if (length > bytes_.size() - position_) truncated(str("inside segment ", marker_name(marker)));
    const auto payload = bytes_.subspan(position_ + 2, length - 2);
    position_ += length;
    return payload;
  }

  void read_segment(int marker) {
    if (marker == kStartOfImage) damaged("begins a second picture before its own end");
    if (marker <= 0x01 || is_restart(marker))
      damaged(str("has a stray marker ", marker_name(marker), " at byte ", position_ - 2));
    const auto payload = take_segment(marker);
    if (is_frame(marker)) {
      read_frame(marker, payload);
    } else if (marker == kQuantisationTables) {
      read_quantisation_tables(payload);
    } else if (marker == kHuffmanTables) {
      read_huffman_tables(payload);
    } else if (marker == kStartOfScan) {
      read_scan(payload);
      skip_entropy_coded_data();
    } else if (marker == kApp1) {
      read_exif(payload);
    }
  }

  void read_exif(std::span<const std::uint8_t> payload) {
    constexpr std::string_view kExif("Exif\0\0", 6);
    if (seen_exif_ || payload.size() < kExif.size() ||
        !std::equal(kExif.begin(), kExif.end(), payload.begin()))
      return;
    seen_exif_ = true;
    stream_.orientation = exif_orientation(payload.subspan(kExif.size()));
  }

  void read_frame(int marker, std::span<const std::uint8_t> payload) {
    if (!components_.empty()) damaged("has two frame headers");
    check_frame_kind(marker);
    if (payload.size() < 6) damaged("frame header is too short");
    if (payload[0] != 8) unsupported(str(int{payload[0]}, "-bit JPEG; only 8-bit ones are read"));
    const int height = payload[1] << 8 | payload[2], width = payload[3] << 8 | payload[4];
    if (height == 0) unsupported("JPEG whose height comes after the pixels (DNL)");
    check_dimensions(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
    const std::size_t count = payload[5];
    if (payload.size() != 6 + 3 * count) damaged("frame header has a wrong length");
    if (count != 1 && count != 3 && count != 4) unsupported(str("JPEG of ", count, " components"));
    for (std::size_t i = 0; i < count; ++i) {
      const auto entry = payload.subspan(6 + 3 * i, 3);
      const int horizontal = entry[1] >> 4, vertical = entry[1] & 15;
      if (horizontal < 1 || horizontal > 4 || vertical < 1 || vertical > 4 || entry[2] > 3)
        damaged("frame header has a bad sampling factor or table number");
      components_.push_back({entry[0], entry[2]});
    }
    stream_.width = width;
    stream_.height = height;
    stream_.channels = static_cast<int>(count);
    stream_.progressive = marker == kProgressiveFrame;
  }

  static void check_frame_kind(int marker) {
    if (marker >= 0xC9) unsupported("arithmetic-coded JPEG; convert it to a Huffman-coded one");
    if (marker == 0xC3) unsupported("lossless JPEG");
    if (marker >= 0xC5) unsupported("hierarchical JPEG");
  }

  void read_quantisation_tables(std::span<const std::uint8_t> payload) {
    while (!payload.empty()) {
      const int precision = payload[0] >> 4, table = payload[0] & 15;
      const std::size_t length = precision == 0 ? 65 : 129;
      if (precision > 1 || table > 3 || payload.size() < length)
        damaged("has a bad quantisation table");
      quantisation_tables_ |= 1u << table;
      payload = payload.subspan(length);
    }
  }

  void read_huffman_tables(std::span<const std::uint8_t> payload) {
    while (!payload.empty()) {
      const int kind = payload[0] >> 4, table = payload[0] & 15;
      if (kind > 1 || table > 3 || payload.size() < 17) damaged("has a bad Huffman table");
      std::size_t symbols = 0;
      for (const std::uint8_t count : payload.subspan(1, 16))
        symbols += count;
      if (symbols > 256 || payload.size() < 17 + symbols) damaged("has a bad Huffman table");
      (kind == 0 ? dc_tables_ : ac_tables_) |= 1u << table;
      payload = payload.subspan(17 + symbols);
    }
  }

  void read_scan(std::span<const std::uint8_t> payload) {
    if (components_.empty()) damaged("has pixels before its frame header");
    const std::size_t count = payload.empty() ? 0 : payload[0];
    if (count < 1 || count > components_.size() || payload.size() != 4 + 2 * count)
      damaged("has a bad scan header");
    const auto spectrum = payload.subspan(1 + 2 * count, 3);
    const bool first = spectrum[0] == 0, refines = spectrum[2] >> 4 != 0;
    const bool needs_dc = stream_.progressive ? first && !refines : true;
    const bool needs_ac = stream_.progressive ? !first : true;
    for (std::size_t i = 0; i < count; ++i) {
      Component& component = component_of(payload[1 + 2 * i]);
      const int dc_table = payload[2 + 2 * i] >> 4, ac_table = payload[2 + 2 * i] & 15;
      if ((needs_dc && (dc_tables_ >> dc_table & 1u) == 0) ||
          (needs_ac && (ac_tables_ >> ac_table & 1u) == 0))
        damaged("uses a Huffman table that it does not define");
      if ((quantisation_tables_ >> component.quantisation_table & 1u) == 0)
        damaged("uses a quantisation table that it does not define");
      if (first && !refines) component.coded = true;
    }
    ++scans_;
    const auto pixels =
        static_cast<std::size_t>(stream_.width) * static_cast<std::size_t>(stream_.height);
    if (scans_ * pixels > kMaxPixelScans)
      throw ImageError(Fault::too_large, str("the JPEG has ", scans_, " scans of ", pixels,
                                             " pixels, far more than pictures have"));
  }

  Component& component_of(int id) {
    const auto found = std::find_if(components_.begin(), components_.end(),
                                    [id](const Component& c) { return c.id == id; });
    if (found == components_.end()) damaged("has a scan of a component that it does not have");
    return *found;
  }

  // Stops at the FF of the marker that ends the scan; FF00 is a data byte and restarts belong to
  // it.
  void skip_entropy_coded_data() {
    const std::size_t start = position_;
    while (true) {
      const void* found = position_ < bytes_.size() ? std::memchr(bytes_.data() + position_, 0xFF,
                                                                  bytes_.size() - position_)
                                                    : nullptr;
      if (found == nullptr) truncated("in its pixels");
      const auto at =
          static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - bytes_.data());
      std::size_t next = at + 1;
      while (next < bytes_.size() && bytes_[next] == 0xFF)
        ++next;
      if (next == bytes_.size()) truncated("in its pixels");
      if (bytes_[next] != 0 && !is_restart(bytes_[next])) {
        if (at == start) damaged("has a scan without data");
        position_ = at;
        return;
      }
      position_ = next + 1;
    }
  }

  std::span<const std::uint8_t> bytes_;
  std::size_t position_ = 0;
  ImageStream stream_;
  std::vector<Component> components_;
  unsigned quantisation_tables_ = 0, dc_tables_ = 0, ac_tables_ = 0;  // one bit per table defined
  std::size_t scans_ = 0;
  bool seen_exif_ = false;
};

}  // namespace

ImageStream check_jpeg(std::span<const std::uint8_t> bytes) {
  return JpegWalk(bytes).run();
}

}  // namespace catgan
