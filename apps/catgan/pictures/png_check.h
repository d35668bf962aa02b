// PNG's own integrity: the chunk walk and the checksums that stb_image skips.
#pragma once

#include <cstdint>
#include <span>

#include "pictures/image_check.h"

namespace catgan {

/// Walks the chunks of a PNG (W3C PNG, third edition) up to IEND: signature, header fields, order,
/// lengths, the CRC-32 of every chunk, and the pixels' packing with its Adler-32. Throws
/// ImageError.
ImageStream check_png(std::span<const std::uint8_t> bytes);

/// CRC-32 of PNG and zlib: reflected polynomial EDB88320, initial and final complement.
std::uint32_t crc32(std::span<const std::uint8_t> bytes);

}  // namespace catgan
