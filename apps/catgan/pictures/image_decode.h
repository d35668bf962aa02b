// JPEG and PNG files into 8-bit RGB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "pictures/image_check.h"

namespace catgan {

/// An upright picture: rgb is [height, width, 3], sRGB as stored (colour profiles are ignored).
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
  std::string own_kind{};  // what catgan made it as, such as "grid"; empty for all others
};

/// Checks (check_image) and decodes a JPEG or PNG. Grey and palette pictures become RGB, 16-bit
/// samples keep their upper byte, alpha is composited over white, the EXIF orientation is applied.
/// Throws ImageError with the reason, whisker::OutOfMemory.
Image decode_image(std::span<const std::uint8_t> bytes);

/// The bytes of a picture file; of one that begins neither as JPEG nor as PNG only the first, for
/// check_image to say what it is. Throws ImageError (special_file, unreadable, too_large); a pipe
/// or device is recognised before anything is read from it.
std::vector<std::uint8_t> read_image_file(const std::filesystem::path& path);

/// decode_image of a file. Throws ImageError whose message begins with the path, or
/// whisker::IoError with the path and the system's reason.
Image load_image(const std::filesystem::path& path);

/// The most memory that decoding may hold at once, in bytes, beyond the file and the result.
std::size_t decode_budget(const ImageStream& stream);

}  // namespace catgan
