#include "pictures/image_check.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "pictures/jpeg_check.h"
#include "pictures/png_check.h"

namespace catgan {
namespace {

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  const char* name;
};

using namespace std::string_view_literals;

constexpr std::array kForeignSignatures = {
    Signature{0, "II+\0"sv, "TIFF"},       Signature{0, "MM\0+"sv, "TIFF"},
    Signature{4, "ftypavis"sv, "AVIF"},    Signature{4, "ftyphevc"sv, "HEIC"},
    Signature{4, "ftypmsf1"sv, "HEIF"},    Signature{8, "WEBP"sv, "WebP"},
    Signature{0, "GIF8"sv, "GIF"},         Signature{0, "BM"sv, "BMP"},
    Signature{0, "II*\0"sv, "TIFF"},       Signature{0, "MM\0*"sv, "TIFF"},
    Signature{4, "ftypavif"sv, "AVIF"},    Signature{4, "ftypheic"sv, "HEIC"},
    Signature{4, "ftypheix"sv, "HEIC"},    Signature{4, "ftypmif1"sv, "HEIF"},
    Signature{0, "\xFF\x0A"sv, "JPEG XL"}, Signature{4, "JXL "sv, "JPEG XL"},
    Signature{4, "jP  "sv, "JPEG 2000"},   Signature{0, "8BPS"sv, "Photoshop"},
};

constexpr std::string_view kJpegStart = "\xFF\xD8\xFF", kPngStart = "\x89PNG";

bool has_at(std::span<const std::uint8_t> bytes, std::size_t offset, std::string_view wanted) {
  if (bytes.size() < offset + wanted.size()) return false;
  return std::equal(wanted.begin(), wanted.end(), bytes.begin() + static_cast<long>(offset),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

std::string first_bytes_in_hex(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const std::uint8_t byte : bytes.first(std::min<std::size_t>(bytes.size(), 4))) {
    if (!text.empty()) text += ' ';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

const char* fault_name(Fault fault) {
  switch (fault) {
    case Fault::truncated:
      return "truncated";
    case Fault::damaged:
      return "damaged";
    case Fault::empty:
      return "empty";
    case Fault::foreign_format:
      return "neither JPEG nor PNG";
    case Fault::unsupported:
      return "unsupported kind of JPEG or PNG";
    case Fault::too_large:
      return "too large";
    case Fault::unknown_data:
      return "named like a picture, but none";
    case Fault::unreadable:
      return "unreadable";
    case Fault::special_file:
      return "pipe, socket or device";
    case Fault::not_a_picture:
      return "not a picture";
    case Fault::link:
      return "link";
    case Fault::own_output:
      return "made by catgan";
  }
  return "unknown fault";
}

bool begins_as_picture(std::span<const std::uint8_t> head) {
  return has_at(head, 0, kJpegStart) || has_at(head, 0, kPngStart);
}

void check_dimensions(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0)
    throw ImageError(Fault::damaged, whisker::str("has no pixels: ", width, "x", height));
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels)
    throw ImageError(Fault::too_large,
                     whisker::str("is ", width, "x", height, " pixels; at most ", kMaxSide,
                                  " a side and ", kMaxPixels >> 20, " Mi in all are read"));
}

ImageStream check_image(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) throw ImageError(Fault::empty, "is empty: 0 bytes");
  if (bytes.size() > kMaxFileBytes)
    throw ImageError(Fault::too_large, whisker::str("has ", bytes.size(), " bytes; at most ",
                                                    kMaxFileBytes, " are read"));
  if (has_at(bytes, 0, kJpegStart)) return check_jpeg(bytes);
  if (has_at(bytes, 0, kPngStart)) return check_png(bytes);
  for (const Signature& signature : kForeignSignatures) {
    if (has_at(bytes, signature.offset, signature.bytes))
      throw ImageError(Fault::foreign_format,
                       whisker::str("is a ", signature.name, " file; convert it to JPEG or PNG"));
  }
  if (has_at(bytes, 4, "ftyp"sv))
    throw ImageError(Fault::unknown_data, "is a video or another ISO media file");
  if (has_at(bytes, 0, "<"sv))
    throw ImageError(Fault::unknown_data, "is text (HTML, SVG or XML), not a JPEG or PNG");
  throw ImageError(Fault::unknown_data, whisker::str("is neither JPEG nor PNG: it begins with ",
                                                     first_bytes_in_hex(bytes)));
}

}  // namespace catgan
