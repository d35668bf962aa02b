// Which way up a PNG is: the chunks in which cameras and editors note it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace catgan {

/// The text chunk "Software" by which catgan knows its own grids and generated pictures again is
/// this and the kind.
inline constexpr std::string_view kSoftwareKeyword = "Software", kOwnSoftware = "catgan ";

/// Collects the notes of one PNG, before its pixels or after them.
class PngNotes {
 public:
  /// Looks at an ancillary chunk: eXIf, or a tEXt, zTXt or iTXt that holds "Raw profile type exif"
  /// (as ImageMagick writes) or "XML:com.adobe.xmp". Broken notes are passed over.
  void read(std::string_view type, std::span<const std::uint8_t> data);

  /// 1 as stored, 2 to 8 mirrored or rotated. An eXIf chunk counts before a raw profile, both
  /// before XMP, and of several of a kind the last.
  int orientation() const;
  /// What catgan made the picture as, such as "grid"; empty for all others.
  const std::string& own_kind() const { return own_kind_; }

 private:
  void take_text(std::string_view keyword, std::string_view text);

  std::optional<std::vector<std::uint8_t>> exif_, raw_profile_;
  std::optional<int> xmp_;
  std::string own_kind_;
};

}  // namespace catgan
