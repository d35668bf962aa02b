// The shapes on which the CUDA convolutions are tested, and their random elements.
#pragma once

#include <cstdint>
#include <vector>

#include <whisker/kernels/conv2d.h>

namespace whisker::testing {

struct CudaConvCase {
  const char* remark;
  kernels::Conv2dShape shape;
};

/// x [n, h, w, c], o outputs, a kernel_h x kernel_w kernel and TensorFlow's SAME padding.
inline kernels::Conv2dShape same_shape(std::int64_t n, std::int64_t h, std::int64_t w,
                                       std::int64_t c, std::int64_t o, int kernel_h, int kernel_w,
                                       int stride_h, int stride_w) {
  return {.batch = n,
          .in_h = h,
          .in_w = w,
          .in_channels = c,
          .out_channels = o,
          .kernel_h = kernel_h,
          .kernel_w = kernel_w,
          .stride_h = stride_h,
          .stride_w = stride_w,
          .padding = kernels::Padding::same(h, w, kernel_h, kernel_w, stride_h, stride_w)};
}

inline kernels::Conv2dShape padded_shape(std::int64_t n, std::int64_t h, std::int64_t w,
                                         std::int64_t c, std::int64_t o, int kernel, int stride,
                                         kernels::Padding padding) {
  kernels::Conv2dShape shape = same_shape(n, h, w, c, o, kernel, kernel, stride, stride);
  shape.padding = padding;
  return shape;
}

/// Few products, so that each can be listed.
inline const std::vector<CudaConvCase>& small_cuda_convs() {
  static const std::vector<CudaConvCase> cases{
      {"one pixel, one channel, kernel 1", same_shape(1, 1, 1, 1, 1, 1, 1, 1, 1)},
      {"kernel 1 mixes channels only", same_shape(2, 3, 4, 3, 5, 1, 1, 1, 1)},
      {"kernel 2 pads below and to the right", same_shape(1, 5, 4, 3, 2, 2, 2, 1, 1)},
      {"kernel 3", same_shape(2, 4, 5, 3, 4, 3, 3, 1, 1)},
      {"kernel 4, stride 2", same_shape(1, 6, 8, 3, 4, 4, 4, 2, 2)},
      {"kernel 5, stride 2 pads 1, 2", same_shape(2, 6, 6, 2, 3, 5, 5, 2, 2)},
      {"the same on an odd image pads 2, 2", same_shape(1, 7, 5, 2, 3, 5, 5, 2, 2)},
      {"kernel 6, stride 3", same_shape(1, 7, 10, 2, 2, 6, 6, 3, 3)},
      {"kernel 7, larger than the image", same_shape(1, 2, 3, 2, 2, 7, 7, 1, 1)},
      {"kernel 1, stride 3 skips pixels", same_shape(2, 7, 8, 3, 2, 1, 1, 3, 3)},
      {"stride 4 larger than the kernel", padded_shape(1, 9, 10, 2, 3, 2, 4, {})},
      {"kernel and strides not square", same_shape(1, 6, 7, 2, 3, 2, 5, 1, 2)},
      {"tall kernel, tall stride", same_shape(1, 9, 4, 2, 2, 5, 1, 4, 1)},
      {"no padding leaves a row unused", padded_shape(1, 6, 8, 2, 3, 3, 2, {})},
      {"a different padding on each side",
       padded_shape(1, 4, 5, 2, 2, 3, 2, {.top = 0, .bottom = 2, .left = 2, .right = 1})},
      {"as much padding as the kernel allows",
       padded_shape(1, 4, 5, 2, 2, 3, 2, {.top = 2, .bottom = 2, .left = 2, .right = 2})},
      {"padding wider than the kernel",
       padded_shape(1, 4, 3, 2, 2, 3, 2, {.top = 5, .bottom = 4, .left = 3, .right = 6})},
      {"kernel 1, padding 1, stride 3",
       padded_shape(2, 3, 4, 2, 3, 1, 3, {.top = 1, .bottom = 2, .left = 1, .right = 1})},
      {"a picture with padding wider than the kernel",
       padded_shape(1, 4, 5, 3, 8, 3, 2, {.top = 3, .bottom = 4, .left = 5, .right = 3})},
      {"a picture with negative padding",
       padded_shape(1, 6, 7, 3, 8, 3, 2, {.top = -1, .bottom = -1, .left = -2, .right = 0})},
      {"negative padding, stride 2",
       padded_shape(1, 7, 8, 2, 3, 3, 2, {.top = -1, .bottom = -1, .left = 0, .right = -2})},
      {"negative and wide padding, stride 4",
       padded_shape(1, 9, 8, 2, 2, 2, 4, {.top = -3, .bottom = 3, .left = 4, .right = -5})},
      {"an image without rows is all padding",
       padded_shape(1, 0, 2, 8, 8, 3, 1, {.top = 2, .bottom = 2, .left = 1, .right = 1})},
      {"an empty batch", same_shape(0, 4, 4, 2, 3, 3, 3, 2, 2)},
  };
  return cases;
}

/// Full tiles and tails in m, n and k of the kernels that want channels in 16-byte chunks.
inline const std::vector<CudaConvCase>& tiled_cuda_convs() {
  static const std::vector<CudaConvCase> cases{
      {"one chunk of channels", same_shape(1, 5, 6, 8, 8, 3, 3, 1, 1)},
      {"kernel 1, one pixel", same_shape(3, 1, 1, 40, 24, 1, 1, 1, 1)},
      {"kernel 5, stride 2, tails everywhere", same_shape(2, 9, 11, 24, 40, 5, 5, 2, 2)},
      {"whole tiles", same_shape(2, 8, 8, 32, 128, 2, 1, 1, 1)},
      {"more than one tile in m and n", same_shape(3, 9, 7, 8, 136, 2, 2, 1, 1)},
      {"several of the largest tiles of y", same_shape(1, 15, 19, 8, 264, 1, 1, 1, 1)},
      {"several of the largest tiles of dx", same_shape(1, 15, 19, 264, 8, 1, 1, 1, 1)},
      {"kernel 4, stride 3", same_shape(1, 13, 11, 24, 16, 4, 4, 3, 3)},
      {"kernel 7, stride 1", same_shape(1, 6, 5, 8, 16, 7, 7, 1, 1)},
      {"kernel 2 x 6, stride 2 x 1", same_shape(1, 8, 9, 16, 8, 2, 6, 2, 1)},
      {"kernel 1, stride 2: phases that no tap reaches", same_shape(2, 7, 6, 16, 8, 1, 1, 2, 2)},
      {"stride 4: more phases than one launch takes", same_shape(1, 9, 10, 8, 16, 5, 5, 4, 4)},
      {"a different padding on each side",
       padded_shape(1, 7, 8, 16, 24, 3, 2, {.top = 0, .bottom = 2, .left = 2, .right = 1})},
      {"padding wider than the kernel",
       padded_shape(1, 6, 5, 16, 24, 3, 2, {.top = 5, .bottom = 4, .left = 3, .right = 6})},
      {"negative padding",
       padded_shape(2, 9, 8, 8, 16, 3, 2, {.top = -1, .bottom = -2, .left = -2, .right = 4})},
      {"an image without rows is all padding",
       padded_shape(2, 0, 3, 8, 16, 3, 1, {.top = 2, .bottom = 2, .left = 1, .right = 1})},
      {"an empty batch", same_shape(0, 8, 8, 64, 64, 5, 5, 2, 2)},
  };
  return cases;
}

/// Pictures: up to four input channels.
inline const std::vector<CudaConvCase>& picture_cuda_convs() {
  static const std::vector<CudaConvCase> cases{
      {"first layer of D", same_shape(2, 20, 36, 3, 64, 5, 5, 2, 2)},
      {"last layer of G", same_shape(1, 13, 21, 3, 64, 5, 5, 1, 1)},
      {"grey, kernel 4", same_shape(1, 11, 17, 1, 72, 4, 4, 2, 2)},
      {"four channels, kernel 3, stride 3", same_shape(2, 9, 10, 4, 8, 3, 3, 3, 3)},
      {"two channels, kernel 1", same_shape(2, 3, 19, 2, 16, 1, 1, 1, 1)},
      {"kernel 7 x 2, stride 1 x 2", same_shape(1, 9, 18, 3, 24, 7, 2, 1, 2)},
      {"stride larger than the kernel", padded_shape(1, 9, 10, 3, 16, 2, 3, {})},
      {"an empty batch", same_shape(0, 8, 8, 3, 64, 5, 5, 2, 2)},
  };
  return cases;
}

/// Uniform in [-1, 1).
inline std::vector<double> random_values(std::int64_t count, std::uint64_t stream) {
  std::vector<double> values(static_cast<std::size_t>(count));
  std::uint64_t state = stream * 0x9E3779B97F4A7C15u + 1;
  for (double& value : values) {
    // xorshift64*, Vigna 2016
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    value = static_cast<double>((state * 0x2545F4914F6CDD1Du) >> 40) / (1 << 23) - 1.0;
  }
  return values;
}

}  // namespace whisker::testing
