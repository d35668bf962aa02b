// The PNG encoder of stb_image_write.
#pragma once

#include <cstdint>
#include <vector>

namespace catgan {

/// rgb [height, width, 3] -> the bytes of a PNG file. Throws whisker::OutOfMemory.
std::vector<std::uint8_t> encode_png(const std::uint8_t* rgb, int width, int height);

}  // namespace catgan
