// A convolution in the terms of cuDNN. No header of cuDNN is needed, so tests run anywhere.
#pragma once

#include <array>
#include <cstdint>

#include <whisker/kernels/conv2d.h>

namespace whisker::inline v0_1::kernels::cudnn {

/// Extents and strides, in elements, in the order [N, C, H, W] that cuDNN wants for any memory.
struct TensorLayout {
  std::array<std::int64_t, 4> extents{}, strides{};
};

/// Memory in the order [N, H, W, C].
constexpr TensorLayout nhwc_layout(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  return {.extents = {n, c, h, w}, .strides = {h * w * c, 1, w * c, c}};
}

/// All three passes have these; the gradient of an array is laid out as the array.
struct Conv2dLayout {
  TensorLayout x, weight, y;
  std::array<std::int64_t, 2> pre_padding{}, post_padding{}, strides{};  // (h, w)
  std::array<std::int64_t, 2> dilations{1, 1};
};

inline Conv2dLayout conv2d_layout(const Conv2dShape& s) {
  return {.x = nhwc_layout(s.batch, s.in_h, s.in_w, s.in_channels),
          .weight = nhwc_layout(s.out_channels, s.kernel_h, s.kernel_w, s.in_channels),
          .y = nhwc_layout(s.batch, s.out_h(), s.out_w(), s.out_channels),
          .pre_padding = {s.padding.top, s.padding.left},
          .post_padding = {s.padding.bottom, s.padding.right},
          .strides = {s.stride_h, s.stride_w}};
}

}  // namespace whisker::inline v0_1::kernels::cudnn
