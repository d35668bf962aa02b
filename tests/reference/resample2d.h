// Nearest-neighbour up-sampling and average pooling by their definitions.
#pragma once

#include "reference/array.h"

namespace whisker::reference {

/// large[n, h*R + r, w*S + s, c] = scale * small[n, h, w, c] with blocks of R x S pixels.
inline Array upsample2d(const Array& small, int block_h, int block_w, double scale = 1.0) {
  const std::int64_t height = small.shape[1] * block_h, width = small.shape[2] * block_w;
  const std::int64_t channels = small.shape[3];
  Array large({small.shape[0], height, width, channels});
  for (std::int64_t i = 0; i < large.shape.numel(); ++i) {
    const std::int64_t c = i % channels, w = i / channels % width;
    const std::int64_t h = i / channels / width % height, n = i / channels / width / height;
    large[i] =
        scale *
        small[((n * small.shape[1] + h / block_h) * small.shape[2] + w / block_w) * channels + c];
  }
  return large;
}

/// small[n, h, w, c] = scale * the sum of large[n, h*R + r, w*S + s, c] over the block.
inline Array block_sum2d(const Array& large, int block_h, int block_w, double scale = 1.0) {
  const std::int64_t height = large.shape[1], width = large.shape[2], channels = large.shape[3];
  Array small({large.shape[0], height / block_h, width / block_w, channels});
  for (std::int64_t i = 0; i < large.shape.numel(); ++i) {
    const std::int64_t c = i % channels, w = i / channels % width;
    const std::int64_t h = i / channels / width % height, n = i / channels / width / height;
    small[((n * small.shape[1] + h / block_h) * small.shape[2] + w / block_w) * channels + c] +=
        scale * large[i];
  }
  return small;
}

}  // namespace whisker::reference
