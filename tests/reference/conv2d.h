// Two-dimensional convolution by its definition, see kernels/conv2d.h.
#pragma once

#include <whisker/kernels/conv2d.h>

#include "reference/array.h"

namespace whisker::reference {

/// Calls body(x, weight, y) with the flat indices of every product x * weight that is part of y.
template <class Body>
void for_each_product(const kernels::Conv2dShape& s, std::int64_t height, std::int64_t width,
                      const Body& body) {
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t p = 0; p < height; ++p)
      for (std::int64_t q = 0; q < width; ++q)
        for (std::int64_t o = 0; o < s.out_channels; ++o)
          for (std::int64_t r = 0; r < s.kernel_h; ++r)
            for (std::int64_t t = 0; t < s.kernel_w; ++t) {
              const std::int64_t h = p * s.stride_h - s.padding.top + r;
              const std::int64_t w = q * s.stride_w - s.padding.left + t;
              if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
              for (std::int64_t c = 0; c < s.in_channels; ++c)
                body(((n * s.in_h + h) * s.in_w + w) * s.in_channels + c,
                     ((o * s.kernel_h + r) * s.kernel_w + t) * s.in_channels + c,
                     ((n * height + p) * width + q) * s.out_channels + o);
            }
}

/// The output of a kernel that fits `size + padding - kernel` steps of `stride` further.
inline std::int64_t conv_size(std::int64_t size, int kernel, int stride, int before, int after) {
  std::int64_t count = 0;
  for (std::int64_t at = -before; at + kernel <= size + after; at += stride)
    ++count;
  return count;
}

inline Array conv2d_forward(const Array& x, const Array& weight, const kernels::Conv2dShape& s) {
  const std::int64_t height =
      conv_size(s.in_h, s.kernel_h, s.stride_h, s.padding.top, s.padding.bottom);
  const std::int64_t width =
      conv_size(s.in_w, s.kernel_w, s.stride_w, s.padding.left, s.padding.right);
  Array y({s.batch, height, width, s.out_channels});
  for_each_product(s, height, width, [&](std::int64_t i, std::int64_t j, std::int64_t k) {
    y.values[static_cast<std::size_t>(k)] += x[i] * weight[j];
  });
  return y;
}

inline Array conv2d_backward_data(const Array& dy, const Array& weight,
                                  const kernels::Conv2dShape& s) {
  Array dx({s.batch, s.in_h, s.in_w, s.in_channels});
  for_each_product(s, dy.shape[1], dy.shape[2],
                   [&](std::int64_t i, std::int64_t j, std::int64_t k) {
                     dx.values[static_cast<std::size_t>(i)] += dy[k] * weight[j];
                   });
  return dx;
}

inline Array conv2d_backward_weight(const Array& x, const Array& dy,
                                    const kernels::Conv2dShape& s) {
  Array dweight({s.out_channels, s.kernel_h, s.kernel_w, s.in_channels});
  for_each_product(s, dy.shape[1], dy.shape[2],
                   [&](std::int64_t i, std::int64_t j, std::int64_t k) {
                     dweight.values[static_cast<std::size_t>(j)] += dy[k] * x[i];
                   });
  return dweight;
}

/// images [N, H, W, C] with bias[c] added.
inline Array add_bias(Array images, const Array& bias) {
  for (std::int64_t i = 0; i < images.shape.numel(); ++i)
    images[i] += bias[i % bias.shape.numel()];
  return images;
}

/// The gradient of a bias: the sum of dy over all but the last axis.
inline Array bias_gradient(const Array& dy) {
  const std::int64_t channels = dy.shape[-1];
  Array dbias({channels});
  for (std::int64_t i = 0; i < dy.shape.numel(); ++i)
    dbias[i % channels] += dy[i];
  return dbias;
}

}  // namespace whisker::reference
