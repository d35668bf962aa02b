// Convolutions of pictures, x [N, H, W, C] with C <= 4, in tiles that shared memory holds.
//
// Few channels leave little to compute per byte, so these kernels are made to move every byte of
// the large arrays y and dy once (backward_data: the border of tiles twice). Pixels of pictures
// have four channels in shared memory, so that they are aligned; the others are zero.
#pragma once

#include <cstddef>

#include <whisker/kernels/cuda/conv2d_choice.h>
#include <whisker/kernels/cuda/conv2d_tile.h>

namespace whisker::inline v0_1::kernels::cuda {

struct Context;

inline constexpr int kPictureChannels = 4;  // of a pixel in shared memory

/// Tile of forward and backward_weight: pixels of y by 64 outputs. A row is one fragment.
inline constexpr int kPictureRows = 8, kPictureColumns = 16, kPictureOutputs = 64;

/// Tile of backward_data: rows of dx by columns of dy.
inline constexpr int kDataRows = 16, kDataColumns = 32;

/// What forward and backward_weight work on.
struct PictureTiles {
  int height = 0, width = 0, channels = 0;  // of x
  int rows = 0, columns = 0, outputs = 0;   // of y
  int stride_h = 1, stride_w = 1, top = 0, left = 0, taps = 0;
  int patch_h = 0;  // what a tile sees of x, in pixels
  IndexDivisor patch_w, kernel_w, tiles_h, tiles_w;
  int tiles = 0;

  struct Tile {
    int image, row, column;  // the first pixel of y
  };
  WHISKER_HOST_DEVICE constexpr Tile tile(int index) const {
    const auto [rest, column] = tiles_w.split(index);
    const auto [image, row] = tiles_h.split(rest);
    return {image, row * kPictureRows, column * kPictureColumns};
  }
  /// Offset of what pixel `index` of the patch of a tile holds, or kOutside.
  WHISKER_HOST_DEVICE constexpr std::int64_t x_offset(const Tile& tile, int index) const {
    const auto [i, j] = patch_w.split(index);
    const int h = tile.row * stride_h - top + i, w = tile.column * stride_w - left + j;
    if (h < 0 || h >= height || w < 0 || w >= width) return kOutside;
    return std::int64_t{(tile.image * height + h) * width + w} * channels;
  }
  /// The pixel of the patch that pixel (row, column) of the tile sees by tap 0 ...
  WHISKER_HOST_DEVICE constexpr int patch_pixel(int row, int column) const {
    return row * stride_h * patch_w.value() + column * stride_w;
  }
  /// ... and how much further it is by another tap.
  WHISKER_HOST_DEVICE constexpr int patch_tap(int tap) const {
    const auto [r, s] = kernel_w.split(tap);
    return r * patch_w.value() + s;
  }
  /// Offset of y's first channel at a pixel of the tile, or kOutside.
  WHISKER_HOST_DEVICE constexpr std::int64_t y_offset(const Tile& tile, int row, int column) const {
    if (tile.row + row >= rows || tile.column + column >= columns) return kOutside;
    const int pixel = (tile.image * rows + tile.row + row) * columns + tile.column + column;
    return std::int64_t{pixel} * outputs;
  }
};

/// What backward_data works on. It sums kernel rows and outputs of a pixel of dx's row and dy's
/// column first, for all kernel columns s and channels c at once: n = s * channels + c. Then it
/// adds up what the columns of dy give to each pixel of dx.
struct DataTiles {
  int height = 0, width = 0;               // of dx
  int rows = 0, columns = 0, outputs = 0;  // of dy
  int kernel_h = 1, kernel_w = 1, top = 0, left = 0;
  int tile_rows = 0;  // of dy, for kDataRows of dx
  int tiles = 0;
  IndexDivisor channels, stride_h, stride_w, tile_width, row_size, tiles_h, tiles_w;

  struct Tile {
    int image, h, w;              // the first pixel of dx
    int first_row, first_column;  // of dy; may be negative
  };
  WHISKER_HOST_DEVICE constexpr Tile tile(int index) const {
    const auto [rest, column] = tiles_w.split(index);
    const auto [image, row] = tiles_h.split(rest);
    const int h = row * kDataRows, w = column * tile_width.value();
    return {image, h, w, first_seen(h + top, kernel_h, stride_h),
            first_seen(w + left, kernel_w, stride_w)};
  }
  /// Offset of dy's first channel at a pixel of the tile, or kOutside.
  WHISKER_HOST_DEVICE constexpr std::int64_t dy_offset(const Tile& tile, int row,
                                                       int column) const {
    const int p = tile.first_row + row, q = tile.first_column + column;
    if (p < 0 || p >= rows || q < 0 || q >= columns) return kOutside;
    return std::int64_t{(tile.image * rows + p) * columns + q} * outputs;
  }
  /// The tile's row of dy that kernel row r joins with its row h of dx, or -1 if there is none.
  WHISKER_HOST_DEVICE constexpr int dy_row(const Tile& tile, int h, int r) const {
    const int shift = kernel_h * stride_h.value();  // keeps the dividend from being negative
    const auto [p, rest] = stride_h.split(tile.h + h + top - r + shift);
    return rest == 0 ? p - kernel_h - tile.first_row : -1;
  }
  struct Columns {
    int s, column;  // kernel columns s, s + stride_w, ... and the tile's columns of dy, descending
  };
  WHISKER_HOST_DEVICE constexpr Columns dy_columns(const Tile& tile, int w) const {
    const auto [q, s] = stride_w.split(tile.w + w + left);
    return {s, q - tile.first_column};
  }
  /// Columns of n, in blocks of 8.
  WHISKER_HOST_DEVICE constexpr int blocks_n() const {
    return ceil_div(kernel_w * channels.value(), 8);
  }

 private:
  /// The first q with q * stride + kernel - 1 >= at.
  WHISKER_HOST_DEVICE static constexpr int first_seen(int at, int kernel,
                                                      const IndexDivisor& stride) {
    const int shifted = at - kernel + 1 + kernel * stride.value() + stride.value() - 1;
    return stride.divide(shifted) - kernel;
  }
};

PictureTiles picture_tiles(const Conv2dShape& shape);
DataTiles data_tiles(const Conv2dShape& shape);

/// Whether the few-channel kernel of a pass takes this shape with so much shared memory.
bool few_channels_fit(Conv2dPass pass, const Conv2dShape& shape, Conv2dMath math,
                      std::size_t max_shared_bytes);
/// Dynamic shared memory of a block.
std::size_t few_channels_shared_bytes(Conv2dPass pass, const Conv2dShape& shape, int element_bytes);

/// The blocks that the persistent kernels start: each loads its part of the weight once.
int few_channels_blocks(int tiles, int sm_count);

// Launchers. T is float (products rounded to TF32) or bfloat16.

template <class T>
void few_channels_forward(const T* x, const float* weight, const float* bias, T* y,
                          const Conv2dShape& shape, const Context& context);
template <class T>
void few_channels_backward_data(const T* dy, const float* weight, const float* bias, T* dx,
                                const Conv2dShape& shape, const Context& context);

/// Sums of dweight to be added up, blocks * kWeightParts of them; parts [.., O, R, S, C].
inline constexpr int kWeightParts = 2;
template <class T>
void few_channels_backward_weight(const T* x, const T* dy, float* parts, int blocks,
                                  const Conv2dShape& shape, const Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
