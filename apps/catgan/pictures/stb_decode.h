// stb_image behind one function, with its memory bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace catgan {

/// Pixels as stored: samples is [height, width, channels] with 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA.
struct DecodedSamples {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<std::uint8_t> samples;
};

/// Decodes a stream that check_image has passed, never holding more than budget bytes.
/// Throws ImageError (damaged, too_large), whisker::OutOfMemory.
DecodedSamples stb_decode(std::span<const std::uint8_t> bytes, std::size_t budget);

}  // namespace catgan
