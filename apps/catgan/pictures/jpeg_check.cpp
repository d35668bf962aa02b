#include "pictures/jpeg_check.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pictures/exif.h"
#include "pictures/jpeg_entropy.h"

namespace catgan {
namespace {

using whisker::str;

constexpr int kStartOfImage = 0xD8, kEndOfImage = 0xD9, kStartOfScan = 0xDA;
constexpr int kQuantisationTables = 0xDB, kHuffmanTables = 0xC4, kArithmeticTables = 0xCC;
constexpr int kProgressiveFrame = 0xC2, kExtensionC8 = 0xC8, kApp0 = 0xE0, kApp1 = 0xE1;
constexpr int kRestartInterval = 0xDD, kApp14 = 0xEE;
constexpr std::uint8_t kComment = 0xFE;

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
  int horizontal = 1, vertical = 1;  // sampling: blocks of one interleaved unit
  bool coded = false;
  std::vector<std::uint64_t> nonzero{};  // progressive: of each block, a bit for each coefficient
};

class JpegWalk {
 public:
  JpegWalk(std::span<const std::uint8_t> bytes, bool with_pixels)
      : bytes_(bytes), with_pixels_(with_pixels) {}

  ImageStream run() {
    position_ = 2;
    for (int marker = next_marker(); marker != kEndOfImage; marker = next_marker())
      read_segment(marker);
    if (components_.empty()) damaged("ends without a frame header");
    for (const Component& component : components_) {
      if (!component.coded) damaged(str("has no data for component ", component.id));
    }
    stream_.bytes = position_;
    stream_.orientation = orientation_of(exif_orientation(exif_), xmp_);
    return std::move(stream_);
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
    const std::size_t marker_at = position_ - 1;
    const auto payload = take_segment(marker);
    if (is_frame(marker)) {
      read_frame(marker, payload);
    } else if (marker == kQuantisationTables) {
      read_quantisation_tables(payload);
    } else if (marker == kHuffmanTables) {
      read_huffman_tables(payload);
    } else if (marker == kRestartInterval) {
      if (payload.size() != 2) damaged("has a restart interval of a wrong length");
      restart_interval_ = std::size_t{payload[0]} << 8 | payload[1];
    } else if (marker == kStartOfScan) {
      if (scans_ == 0) stream_.colors = colors();
      read_scan(payload);
      const std::size_t start = position_;
      skip_entropy_coded_data();
      if (with_pixels_) check_entropy_coded_data(payload, bytes_.subspan(start, position_ - start));
    } else if (marker == kApp1) {
      if (scans_ == 0) read_notes(payload);
    } else if (marker == kApp0 || marker == kApp14) {
      read_color_note(marker, payload);
      stream_.patches.push_back({marker_at, kComment});
    }
  }

  static bool begins_with(std::span<const std::uint8_t> payload, std::string_view tag) {
    return payload.size() >= tag.size() && std::equal(tag.begin(), tag.end(), payload.begin());
  }

  // A long EXIF block goes on in the next segment; of several XMP packets the last counts.
  void read_notes(std::span<const std::uint8_t> payload) {
    constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
    if (begins_with(payload, kExif)) {
      const auto tiff = payload.subspan(kExif.size());
      exif_.insert(exif_.end(), tiff.begin(), tiff.end());
    } else if (begins_with(payload, kXmp)) {
      xmp_ = xmp_orientation({reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
  }

  // Only what stands before the first scan counts.
  void read_color_note(int marker, std::span<const std::uint8_t> payload) {
    if (scans_ > 0) return;
    constexpr std::string_view kJfif("JFIF\0", 5), kAdobe("Adobe");
    if (marker == kApp0 && payload.size() >= 14 && begins_with(payload, kJfif)) jfif_ = true;
    if (marker == kApp14 && payload.size() >= 12 && begins_with(payload, kAdobe))
      adobe_transform_ = payload[11];
  }

  // As libjpeg decides. Of four components K is the last; all files are taken to be stored
  // inverted, as Adobe does.
  JpegColors colors() const {
    if (components_.size() == 4)
      return adobe_transform_.value_or(0) == 0 ? JpegColors::cmyk : JpegColors::ycck;
    if (components_.size() != 3) return JpegColors::grey;
    if (jfif_) return JpegColors::ycbcr;
    if (adobe_transform_) return *adobe_transform_ == 0 ? JpegColors::rgb : JpegColors::ycbcr;
    const bool named_rgb =
        components_[0].id == 'R' && components_[1].id == 'G' && components_[2].id == 'B';
    return named_rgb ? JpegColors::rgb : JpegColors::ycbcr;
  }

  /// Names component `index` 1 to 4 for the decoder, whatever the file calls it.
  void rename_component(std::span<const std::uint8_t> payload, std::size_t at, std::size_t index) {
    const auto offset = static_cast<std::size_t>(payload.data() - bytes_.data()) + at;
    stream_.patches.push_back({offset, static_cast<std::uint8_t>(index + 1)});
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
      components_.push_back({entry[0], entry[2], horizontal, vertical});
      rename_component(payload, 6 + 3 * i, i);
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
      check_huffman_codes(kind, payload);
      (kind == 0 ? dc_tables_ : ac_tables_) |= 1u << table;
      (kind == 0 ? dc_codes_ : ac_codes_)[static_cast<std::size_t>(table)] =
          JpegCode(payload.subspan(1, 16), payload.subspan(17, symbols));
      payload = payload.subspan(17 + symbols);
    }
  }

  // As many codes of each length as there is room for, and no DC difference of more than 15 bits.
  static void check_huffman_codes(int kind, std::span<const std::uint8_t> table) {
    std::size_t code = 0, symbols = 0;
    for (std::size_t bits = 1; bits <= 16; ++bits, code <<= 1) {
      code += table[bits];
      symbols += table[bits];
      if (code > std::size_t{1} << bits) damaged("has a Huffman table of too many codes");
    }
    const auto values = table.subspan(17, symbols);
    if (kind == 0 && std::any_of(values.begin(), values.end(), [](auto v) { return v > 15; }))
      damaged("has a bad Huffman table");
  }

  // Figure 9 of T.81: the first coefficient has scans of its own, the others one component a scan,
  // and a refinement adds one bit.
  void check_progression(std::size_t count, std::span<const std::uint8_t> spectrum) const {
    const int first = spectrum[0], last = spectrum[1], high = spectrum[2] >> 4,
              low = spectrum[2] & 15;
    const bool good_band = first == 0 ? last == 0 : last >= first && last <= 63 && count == 1;
    if (!good_band || low > 13 || (high != 0 && low != high - 1))
      damaged(str("has a scan of coefficients ", first, " to ", last, ", bits ", high, " to ", low,
                  ", which no progressive JPEG has"));
  }

  void check_unit_size(std::span<const std::uint8_t> payload, std::size_t count) {
    constexpr int kMaxBlocks = 10;
    int blocks = 0;
    for (std::size_t i = 0; i < count; ++i)
      blocks +=
          component_of(payload[1 + 2 * i]).horizontal * component_of(payload[1 + 2 * i]).vertical;
    if (count > 1 && blocks > kMaxBlocks)
      damaged(str("interleaves ", blocks, " blocks, at most ", kMaxBlocks, " are allowed"));
  }

  void read_scan(std::span<const std::uint8_t> payload) {
    if (components_.empty()) damaged("has pixels before its frame header");
    const std::size_t count = payload.empty() ? 0 : payload[0];
    if (count < 1 || count > components_.size() || payload.size() != 4 + 2 * count)
      damaged("has a bad scan header");
    const auto spectrum = payload.subspan(1 + 2 * count, 3);
    if (stream_.progressive) check_progression(count, spectrum);
    check_unit_size(payload, count);
    const bool first = spectrum[0] == 0, refines = spectrum[2] >> 4 != 0;
    const bool needs_dc = stream_.progressive ? first && !refines : true;
    const bool needs_ac = stream_.progressive ? !first : true;
    for (std::size_t i = 0; i < count; ++i) {
      Component& component = component_of(payload[1 + 2 * i]);
      rename_component(payload, 1 + 2 * i,
                       static_cast<std::size_t>(&component - components_.data()));
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

  void check_entropy_coded_data(std::span<const std::uint8_t> payload,
                                std::span<const std::uint8_t> data) {
    int widest = 1, highest = 1;
    for (const Component& component : components_) {
      widest = std::max(widest, component.horizontal);
      highest = std::max(highest, component.vertical);
    }
    Scan scan{.data = data,
              .units_wide = ceil_divide(stream_.width, 8 * widest),
              .units_high = ceil_divide(stream_.height, 8 * highest),
              .restart_interval = restart_interval_,
              .progressive = stream_.progressive};
    const std::size_t count = payload[0];
    if (stream_.progressive) {
      scan.first = payload[1 + 2 * count];
      scan.last = payload[2 + 2 * count];
      scan.high = payload[3 + 2 * count] >> 4;
    }
    for (std::size_t i = 0; i < count; ++i) {
      Component& component = component_of(payload[1 + 2 * i]);
      const std::uint8_t tables = payload[2 + 2 * i];
      ScanComponent part{.horizontal = component.horizontal, .vertical = component.vertical};
      part.blocks_wide = ceil_divide(ceil_divide(stream_.width * part.horizontal, widest), 8);
      part.blocks_high = ceil_divide(ceil_divide(stream_.height * part.vertical, highest), 8);
      part.dc = &dc_codes_[tables >> 4 & 3];
      part.ac = &ac_codes_[tables & 3];
      part.nonzero = &component.nonzero;
      part.blocks_stride = static_cast<std::size_t>(part.blocks_wide);
      if (stream_.progressive)
        component.nonzero.resize(part.blocks_stride * static_cast<std::size_t>(part.blocks_high));
      scan.components.push_back(part);
    }
    check_scan(scan);
  }

  static int ceil_divide(int value, int divisor) { return (value + divisor - 1) / divisor; }

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
  bool with_pixels_;
  std::size_t position_ = 0;
  ImageStream stream_;
  std::vector<Component> components_;
  unsigned quantisation_tables_ = 0, dc_tables_ = 0, ac_tables_ = 0;  // one bit per table defined
  std::array<JpegCode, 4> dc_codes_, ac_codes_;
  std::size_t restart_interval_ = 0;
  std::size_t scans_ = 0;
  bool jfif_ = false;
  std::optional<int> adobe_transform_;
  std::vector<std::uint8_t> exif_;
  std::optional<int> xmp_;
};

}  // namespace

ImageStream check_jpeg(std::span<const std::uint8_t> bytes) {
  // First the headers alone, which are cheap: what they forbid is never walked through.
  JpegWalk(bytes, false).run();
  return JpegWalk(bytes, true).run();
}

}  // namespace catgan
