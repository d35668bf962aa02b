// Pictures that nets made, or learn from, as PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include <whisker/core/tensor.h>

#include "config.h"

namespace catgan {

/// One 8-bit RGB picture, [height, width, 3].
struct Picture {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
  /// "grid" or "generated picture": written into the file, so that training leaves it out.
  const char* own_kind = nullptr;
};

/// Generated pictures [N, S, S, 3] in the data range -> 0..255; what is outside is clamped.
std::vector<Picture> to_pictures(const whisker::Tensor& pictures, DataRange range);

/// Lays equally large pictures out in rows of `columns`; missing ones stay black. Throws
/// whisker::IoError if encode_png could not write the grid.
Picture make_grid(const std::vector<Picture>& pictures, int columns);

/// Writes a PNG atomically. Throws whisker::IoError.
void write_png(const std::filesystem::path& path, const Picture& picture);

}  // namespace catgan
