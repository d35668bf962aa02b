// Two-dimensional convolution on NHWC images: the contract of its three bilinear kernels.
//
//   y[n,p,q,o] = bias[o] + sum over r,s,c of x[n, p*stride_h - top + r, q*stride_w - left + s, c]
//                                            * weight[o,r,s,c]            (x is zero outside)
//
// x [N, H, W, C], weight [O, R, S, C], y [N, P, Q, O]; P = (H + top + bottom - R) / stride_h + 1.
// A transposed convolution is backward_data under another name: its input takes the place of dy,
// its output that of dx.
#pragma once

#include <cstdint>
#include <string>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels {

/// Zeros around an image, in pixels; a negative number cuts pixels off. A side that is left out is
/// as wide as the top: Padding{1} is PyTorch's padding=1, and Padding{.left = 2} pads the left
/// alone, as the top is 0.
struct Padding {
  int top = 0;
  int bottom = top, left = top, right = top;

  /// The same on every side.
  static constexpr Padding all(int width) { return {width, width, width, width}; }

  /// TensorFlow's SAME: the output has ceil(size / stride) pixels, and an odd pixel of padding
  /// goes to the bottom and the right.
  static Padding same(std::int64_t in_h, std::int64_t in_w, int kernel_h, int kernel_w,
                      int stride_h, int stride_w);
  friend bool operator==(const Padding&, const Padding&) = default;
};

struct Conv2dShape {
  std::int64_t batch = 0, in_h = 0, in_w = 0, in_channels = 0, out_channels = 0;
  int kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  Padding padding;

  std::int64_t out_h() const {
    return (in_h + padding.top + padding.bottom - kernel_h) / stride_h + 1;
  }
  std::int64_t out_w() const {
    return (in_w + padding.left + padding.right - kernel_w) / stride_w + 1;
  }
  std::int64_t input_size() const { return batch * in_h * in_w * in_channels; }
  std::int64_t output_size() const { return batch * out_h() * out_w() * out_channels; }
  std::int64_t weight_size() const { return out_channels * kernel_h * kernel_w * in_channels; }
  /// Floating-point operations of any one of the three kernels, taps in the padding included.
  double flops() const;
  /// Whether every side's padding is at least 0 and smaller than the kernel, so that each output
  /// pixel at a border sees some of x. The kernels take any padding; some ways to compute do not.
  bool has_usual_padding() const;
  /// Throws ShapeError where a size is negative, a stride, kernel or channel count is not positive,
  /// or the kernel does not fit into the padded image.
  void validate() const;
  std::string to_string() const;  // "x [8,32,32,64] * w [128,5,5,64] / 2x2 pad 1,2,1,2"
  friend bool operator==(const Conv2dShape&, const Conv2dShape&) = default;
};

namespace cpu {

/// T is float, bfloat16 (with float weights) or double. The outputs are overwritten; a null bias
/// adds nothing.
template <class T>
void conv2d_forward(const T* x, Weight<compute_type<T>> weight, const compute_type<T>* bias, T* y,
                    const Conv2dShape& shape, Context& context);

/// dx[n,h,w,c] = bias[c] + the adjoint of conv2d_forward applied to dy.
template <class T>
void conv2d_backward_data(const T* dy, Weight<compute_type<T>> weight, const compute_type<T>* bias,
                          T* dx, const Conv2dShape& shape, Context& context);

/// dweight[o,r,s,c] = sum over n,p,q of dy[n,p,q,o] * x[n, p*stride_h - top + r, ..., c].
template <class T>
void conv2d_backward_weight(const T* x, const T* dy, compute_type<T>* dweight,
                            const Conv2dShape& shape, Context& context);

}  // namespace cpu

namespace cuda {

struct Context;

/// T is float or bfloat16; pointers are device memory. The outputs are overwritten; a null bias
/// adds nothing. Products of floats are rounded to TF32 where context.tf32 says so, sums are float.
/// Equal calls give equal bits on equal devices. Throws Error where 32-bit indices do not suffice.
template <class T>
void conv2d_forward(const T* x, Weight<float> weight, const float* bias, T* y,
                    const Conv2dShape& shape, Context& context);

/// dx[n,h,w,c] = bias[c] + the adjoint of conv2d_forward applied to dy.
template <class T>
void conv2d_backward_data(const T* dy, Weight<float> weight, const float* bias, T* dx,
                          const Conv2dShape& shape, Context& context);

/// dweight[o,r,s,c] = sum over n,p,q of dy[n,p,q,o] * x[n, p*stride_h - top + r, ..., c].
template <class T>
void conv2d_backward_weight(const T* x, const T* dy, float* dweight, const Conv2dShape& shape,
                            Context& context);

}  // namespace cuda
}  // namespace whisker::inline v0_1::kernels
