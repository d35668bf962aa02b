// Differentiable convolutions on NHWC images.
//
// conv2d, conv2d_input_grad and conv2d_weight_grad are bilinear, and each one's gradients are among
// the other two; so all orders of derivatives exist. Float32 weights serve bfloat16 images, whose
// weight gradients are float32 too.
#pragma once

#include <optional>

#include <whisker/core/tensor.h>
#include <whisker/kernels/conv2d.h>

namespace whisker::inline v0_1 {

using kernels::Padding;

struct Conv2dOptions {
  int stride_h = 1, stride_w = 1;
  std::optional<Padding> padding{};  // TensorFlow's SAME if not given

  static Conv2dOptions same(int stride) { return {.stride_h = stride, .stride_w = stride}; }
};

/// x [N,H,W,C], weight [O,R,S,C], bias [O] or undefined -> y [N,P,Q,O], see kernels/conv2d.h. The
/// padding may be wider than the kernel, but not negative.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const Conv2dOptions& options = {});

/// The gradient of conv2d in x: dy [N,P,Q,O], weight [O,R,S,C] -> dx of the given shape [N,H,W,C].
Tensor conv2d_input_grad(const Tensor& dy, const Tensor& weight, const Shape& input_shape,
                         const Conv2dOptions& options = {});

/// The gradient of conv2d in weight: x [N,H,W,C], dy [N,P,Q,O] -> [O,R,S,C] of the given shape.
Tensor conv2d_weight_grad(const Tensor& x, const Tensor& dy, const Shape& weight_shape,
                          const Conv2dOptions& options = {});

/// conv2d_input_grad under its own name: x [N,P,Q,I], weight [I,R,S,O], bias [O] or undefined ->
/// y [N,H,W,O]. With SAME padding H = P * stride_h, as tf.nn.conv2d_transpose with twice the size;
/// with explicit padding H = (P - 1) * stride_h + R - top - bottom. Negative padding adds rows, so
/// PyTorch's padding=p, output_padding=o is {.top = p, .bottom = p - o, .left = p, .right = p - o}.
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Conv2dOptions& options = {});

/// The shape of the convolution that conv2d, or conv_transpose2d, runs on these arguments.
kernels::Conv2dShape conv2d_shape(const Shape& x, const Shape& weight,
                                  const Conv2dOptions& options);
kernels::Conv2dShape conv_transpose2d_shape(const Shape& x, const Shape& weight,
                                            const Conv2dOptions& options);

}  // namespace whisker::inline v0_1
