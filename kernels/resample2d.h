// Nearest-neighbour up-sampling of NHWC images and the sum over blocks, which is its adjoint.
//
//   large[n, h*R + r, w*S + s, c] = scale * small[n, h, w, c]                          upsample2d
//   small[n, h, w, c] = scale * sum over r,s of large[n, h*R + r, w*S + s, c]          block_sum2d
//
// small [N, H, W, C], large [N, H*R, W*S, C]; r < R and s < S walk over a block of pixels.
#pragma once

#include <cstdint>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels {

struct Resample2dShape {
  std::int64_t batch = 0, height = 0, width = 0, channels = 0;  // of the small images
  int block_h = 2, block_w = 2;
  double scale = 1.0;

  std::int64_t small_rows() const { return batch * height; }
  std::int64_t small_row_size() const { return width * channels; }
  std::int64_t large_row_size() const { return small_row_size() * block_w; }
};

namespace cpu {

/// T is float, bfloat16 or double. The outputs are overwritten.
template <class T>
void upsample2d(const T* small, T* large, const Resample2dShape& shape, Context& context);

/// Summed in the compute type by ascending r, then s, and rounded once.
template <class T>
void block_sum2d(const T* large, T* small, const Resample2dShape& shape, Context& context);

}  // namespace cpu

namespace cuda {

struct Context;

/// As on the CPU, for float and bfloat16 and with its bits; pointers are device memory. Throws
/// Error where a row of large images has more than 2^30 elements.
template <class T>
void upsample2d(const T* small, T* large, const Resample2dShape& shape, Context& context);
template <class T>
void block_sum2d(const T* large, T* small, const Resample2dShape& shape, Context& context);

}  // namespace cuda
}  // namespace whisker::inline v0_1::kernels
