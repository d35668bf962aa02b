// The PNG encoder of stb_image_write.
#pragma once

#include <cstdint>
#include <vector>

namespace catgan {

/// The most bytes of pixels, a filter byte a row included: the encoder counts with int and doubles
/// its buffers.
inline constexpr std::int64_t kMaxPngBytes = std::int64_t{1} << 29;

/// Throws whisker::IoError unless a picture of this size can be encoded.
void check_png_size(std::int64_t width, std::int64_t height);

/// rgb [height, width, 3] -> the bytes of a PNG file. Throws whisker::IoError (too large),
/// whisker::OutOfMemory.
std::vector<std::uint8_t> encode_png(const std::uint8_t* rgb, int width, int height);

}  // namespace catgan
