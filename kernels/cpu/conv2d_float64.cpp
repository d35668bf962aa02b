// Convolutions in double by plain loops, for gradient checks: oneDNN has no double.
#include <algorithm>

#include <whisker/kernels/conv2d.h>
#include <whisker/kernels/cpu/parallel.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

/// Calls body(h, w, r, s) for the pixels of x that output pixel (p, q) sees through the kernel.
template <class Body>
void for_each_tap(const Conv2dShape& shape, std::int64_t p, std::int64_t q, const Body& body) {
  for (int r = 0; r < shape.kernel_h; ++r)
    for (int s = 0; s < shape.kernel_w; ++s) {
      const std::int64_t h = p * shape.stride_h - shape.padding.top + r;
      const std::int64_t w = q * shape.stride_w - shape.padding.left + s;
      if (h >= 0 && h < shape.in_h && w >= 0 && w < shape.in_w) body(h, w, r, s);
    }
}

struct Index {
  const Conv2dShape& s;
  std::int64_t x(std::int64_t n, std::int64_t h, std::int64_t w) const {
    return ((n * s.in_h + h) * s.in_w + w) * s.in_channels;
  }
  std::int64_t y(std::int64_t n, std::int64_t p, std::int64_t q) const {
    return ((n * s.out_h() + p) * s.out_w() + q) * s.out_channels;
  }
  std::int64_t weight(std::int64_t o, int r, int q) const {
    return ((o * s.kernel_h + r) * s.kernel_w + q) * s.in_channels;
  }
};

}  // namespace

template <>
void conv2d_forward<double>(const double* x, Weight<double> weight, const double* bias, double* y,
                            const Conv2dShape& shape, Context&) {
  const Index at{shape};
  parallel_for(shape.batch, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n)
      for (std::int64_t p = 0; p < shape.out_h(); ++p)
        for (std::int64_t q = 0; q < shape.out_w(); ++q)
          for (std::int64_t o = 0; o < shape.out_channels; ++o) {
            double sum = bias ? bias[o] : 0.0;
            for_each_tap(shape, p, q, [&](std::int64_t h, std::int64_t w, int r, int s) {
              for (std::int64_t c = 0; c < shape.in_channels; ++c)
                sum += x[at.x(n, h, w) + c] * weight.data[at.weight(o, r, s) + c];
            });
            y[at.y(n, p, q) + o] = sum;
          }
  });
}

template <>
void conv2d_backward_data<double>(const double* dy, Weight<double> weight, const double* bias,
                                  double* dx, const Conv2dShape& shape, Context&) {
  const Index at{shape};
  parallel_for(shape.batch, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * shape.in_h * shape.in_w; i < end * shape.in_h * shape.in_w; ++i)
      for (std::int64_t c = 0; c < shape.in_channels; ++c)
        dx[i * shape.in_channels + c] = bias ? bias[c] : 0.0;
    for (std::int64_t n = begin; n < end; ++n)
      for (std::int64_t p = 0; p < shape.out_h(); ++p)
        for (std::int64_t q = 0; q < shape.out_w(); ++q)
          for_each_tap(shape, p, q, [&](std::int64_t h, std::int64_t w, int r, int s) {
            for (std::int64_t o = 0; o < shape.out_channels; ++o)
              for (std::int64_t c = 0; c < shape.in_channels; ++c)
                dx[at.x(n, h, w) + c] +=
                    dy[at.y(n, p, q) + o] * weight.data[at.weight(o, r, s) + c];
          });
  });
}

template <>
void conv2d_backward_weight<double>(const double* x, const double* dy, double* dweight,
                                    const Conv2dShape& shape, Context&) {
  const Index at{shape};
  std::fill_n(dweight, shape.weight_size(), 0.0);
  parallel_for(shape.out_channels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = 0; n < shape.batch; ++n)
      for (std::int64_t p = 0; p < shape.out_h(); ++p)
        for (std::int64_t q = 0; q < shape.out_w(); ++q)
          for_each_tap(shape, p, q, [&](std::int64_t h, std::int64_t w, int r, int s) {
            for (std::int64_t o = begin; o < end; ++o)
              for (std::int64_t c = 0; c < shape.in_channels; ++c)
                dweight[at.weight(o, r, s) + c] += dy[at.y(n, p, q) + o] * x[at.x(n, h, w) + c];
          });
  });
}

}  // namespace whisker::inline v0_1::kernels::cpu
