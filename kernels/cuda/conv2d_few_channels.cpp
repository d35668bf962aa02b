#include <algorithm>

#include <whisker/kernels/cuda/conv2d_few_channels.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kMaxWeightTaps = 32;   // accumulators of backward_weight
constexpr int kMaxDataColumns = 24;  // accumulators of backward_data: kernel_w * channels
constexpr int kBlocksPerSm = 2;

int to_int(std::int64_t value) {
  return static_cast<int>(value);
}

int floor_div(int a, int b) {
  return a >= 0 ? a / b : -ceil_div(-a, b);
}

/// Columns of dx, in strides, whose taps all meet kDataColumns columns of dy.
int tile_strides(const Conv2dShape& s) {
  const int first = -floor_div(s.kernel_w - 1 - s.padding.left, s.stride_w);
  const int last = floor_div(s.padding.left - 1, s.stride_w);
  return kDataColumns - 1 - last + first;
}

}  // namespace

PictureTiles picture_tiles(const Conv2dShape& s) {
  const int rows = to_int(s.out_h()), columns = to_int(s.out_w());
  const int tiles_h = ceil_div(rows, kPictureRows), tiles_w = ceil_div(columns, kPictureColumns);
  return {.height = to_int(s.in_h),
          .width = to_int(s.in_w),
          .channels = to_int(s.in_channels),
          .rows = rows,
          .columns = columns,
          .outputs = to_int(s.out_channels),
          .stride_h = s.stride_h,
          .stride_w = s.stride_w,
          .top = s.padding.top,
          .left = s.padding.left,
          .taps = s.kernel_h * s.kernel_w,
          .patch_h = (kPictureRows - 1) * s.stride_h + s.kernel_h,
          .patch_w = IndexDivisor((kPictureColumns - 1) * s.stride_w + s.kernel_w),
          .kernel_w = IndexDivisor(s.kernel_w),
          .tiles_h = IndexDivisor(tiles_h),
          .tiles_w = IndexDivisor(tiles_w),
          .tiles = to_int(s.batch) * tiles_h * tiles_w};
}

DataTiles data_tiles(const Conv2dShape& s) {
  const int channels = to_int(s.in_channels);
  const int tile_width = tile_strides(s) * s.stride_w;
  const int tiles_h = ceil_div(to_int(s.in_h), kDataRows);
  const int tiles_w = ceil_div(to_int(s.in_w), tile_width);
  return {.height = to_int(s.in_h),
          .width = to_int(s.in_w),
          .rows = to_int(s.out_h()),
          .columns = to_int(s.out_w()),
          .outputs = to_int(s.out_channels),
          .kernel_h = s.kernel_h,
          .kernel_w = s.kernel_w,
          .top = s.padding.top,
          .left = s.padding.left,
          .tile_rows = (kDataRows - 1 + s.kernel_h - 1) / s.stride_h + 1,
          .tiles = to_int(s.batch) * tiles_h * tiles_w,
          .channels = IndexDivisor(channels),
          .stride_h = IndexDivisor(s.stride_h),
          .stride_w = IndexDivisor(s.stride_w),
          .tile_width = IndexDivisor(tile_width),
          .row_size = IndexDivisor(tile_width * channels),
          .tiles_h = IndexDivisor(std::max(tiles_h, 1)),
          .tiles_w = IndexDivisor(std::max(tiles_w, 1))};
}

std::size_t few_channels_shared_bytes(Conv2dPass pass, const Conv2dShape& s, int element_bytes) {
  const std::int64_t patch_h = std::int64_t{kPictureRows - 1} * s.stride_h + s.kernel_h;
  const std::int64_t patch_w = std::int64_t{kPictureColumns - 1} * s.stride_w + s.kernel_w;
  const std::int64_t patch = patch_h * patch_w * kPictureChannels * element_bytes;
  const std::int64_t taps = std::int64_t{s.kernel_h} * s.kernel_w;
  const auto round_up = [](std::int64_t bytes, std::int64_t unit) {
    return ceil_div(bytes, unit) * unit;
  };
  std::int64_t bytes = 0;
  switch (pass) {
    case Conv2dPass::forward: {
      const std::int64_t row = round_up(taps * kPictureChannels * element_bytes, kMmaStepBytes);
      bytes = kPictureOutputs * (row + kChunkBytes) + row + patch;  // row: offsets, one per word
      break;
    }
    case Conv2dPass::backward_weight:
      bytes = 2 * kPictureRows * kPictureColumns * kPictureOutputs * element_bytes + patch;
      break;
    case Conv2dPass::backward_data: {
      const std::int64_t rows = (kDataRows - 1 + s.kernel_h - 1) / s.stride_h + 1;
      const std::int64_t blocks_n = ceil_div(s.kernel_w * s.in_channels, 8);
      const std::int64_t stages = 2 * rows * kDataColumns * kMmaBlockKBytes;
      const std::int64_t sums = kDataRows * kDataColumns * 4 * (blocks_n == 1 ? 8 : 24);
      const std::int64_t row = round_up(s.out_channels * element_bytes, kMmaBlockKBytes);
      bytes = std::max(stages, sums) + s.kernel_h * blocks_n * 8 * (row + kChunkBytes);
      break;
    }
  }
  return static_cast<std::size_t>(bytes);
}

bool few_channels_fit(Conv2dPass pass, const Conv2dShape& s, Conv2dMath math,
                      std::size_t max_shared_bytes) {
  const int element_bytes = math == Conv2dMath::bfloat16 ? 2 : 4;
  if (!s.has_usual_padding()) return false;
  if (s.in_channels > kPictureChannels || s.out_channels % (kChunkBytes / element_bytes) != 0)
    return false;
  if (pass == Conv2dPass::backward_weight && std::int64_t{s.kernel_h} * s.kernel_w > kMaxWeightTaps)
    return false;
  if (pass == Conv2dPass::backward_data && s.kernel_w * s.in_channels > kMaxDataColumns)
    return false;
  return few_channels_shared_bytes(pass, s, element_bytes) <= max_shared_bytes;
}

int few_channels_blocks(int tiles, int sm_count) {
  return std::max(std::min(tiles, kBlocksPerSm * sm_count), 1);
}

}  // namespace whisker::inline v0_1::kernels::cuda
