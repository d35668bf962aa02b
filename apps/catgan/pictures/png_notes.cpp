#include "pictures/png_notes.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "pictures/exif.h"
#include "pictures/image_check.h"
#include "pictures/inflate.h"

namespace catgan {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20;

std::string_view text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What precedes the next zero byte; the rest begins behind that byte. Empty and unchanged if there
/// is no such byte.
std::string_view take_field(std::string_view& rest) {
  const std::size_t end = rest.find('\0');
  if (end == rest.npos) return {};
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return field;
}

/// Empty if the text is broken or longer than a note can be.
std::string inflate_text(std::string_view packed) {
  std::string text;
  try {
    inflate_zlib({reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size()},
                 kMaxTextBytes, [&](auto bytes) { text += text_of(bytes); });
  } catch (const ImageError&) {
    return {};
  }
  return text;
}

/// "\nexif\n  LENGTH\n" and hexadecimal lines; nothing if another character is among them.
std::optional<std::vector<std::uint8_t>> parse_raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return {};
    text.remove_prefix(end + 1);
  }
  constexpr std::string_view kDigits = "0123456789abcdef", kSpace = " \n\r\t";
  std::vector<std::uint8_t> bytes;
  bool upper = true;
  for (const char c : text) {
    if (kSpace.find(c) != kSpace.npos) continue;
    const std::size_t digit = kDigits.find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
    if (digit == kDigits.npos) return {};
    if (upper)
      bytes.push_back(static_cast<std::uint8_t>(digit << 4));
    else
      bytes.back() = static_cast<std::uint8_t>(bytes.back() | digit);
    upper = !upper;
  }
  return bytes;
}

std::optional<int> orientation_in(std::span<const std::uint8_t> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  while (text_of(exif).starts_with(kPrefix))
    exif = exif.subspan(kPrefix.size());
  return exif_orientation(exif);
}

/// Messages name the kind, so a stranger's text must not pass for one.
bool is_kind(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  return text.size() <= kLongest && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || c == ' ';
         });
}

}  // namespace

void PngNotes::read(std::string_view type, std::span<const std::uint8_t> data) {
  if (type == "eXIf") exif_.emplace(data.begin(), data.end());
  std::string_view rest = text_of(data);
  const std::string_view keyword = take_field(rest);
  if (keyword.empty()) return;
  if (type == "tEXt") {
    take_text(keyword, rest);
  } else if (type == "zTXt" && rest.starts_with('\0')) {
    take_text(keyword, inflate_text(rest.substr(1)));
  } else if (type == "iTXt" && rest.size() >= 2) {
    const bool packed = rest[0] != 0;
    if (packed && rest[1] != 0) return;
    rest.remove_prefix(2);
    if (std::count(rest.begin(), rest.end(), '\0') < 2) return;
    take_field(rest);  // language
    take_field(rest);  // translated keyword
    take_text(keyword, packed ? inflate_text(rest) : std::string(rest));
  }
}

void PngNotes::take_text(std::string_view keyword, std::string_view text) {
  if (keyword == "Raw profile type exif") raw_profile_ = parse_raw_profile(text);
  if (keyword == kSoftwareKeyword && text.starts_with(kOwnSoftware) && is_kind(text))
    own_kind_ = text.substr(kOwnSoftware.size());
  if (keyword == "XML:com.adobe.xmp") xmp_ = xmp_orientation(text);
}

int PngNotes::orientation() const {
  std::optional<int> exif;
  if (exif_)
    exif = orientation_in(*exif_);
  else if (raw_profile_)
    exif = orientation_in(*raw_profile_);
  return orientation_of(exif, xmp_);
}

}  // namespace catgan
