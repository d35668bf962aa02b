#include <algorithm>

#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/conv2d.h>
#include <whisker/core/ops/reduce.h>

namespace whisker::inline v0_1 {
namespace {

using kernels::Conv2dShape;

Dtype weight_dtype(Dtype activation) {
  return activation == Dtype::bfloat16 ? Dtype::float32 : activation;
}

void check_operands(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check<ShapeError>(weight.dtype() == weight_dtype(x.dtype()), op, ": x of ", x.dtype(), " wants ",
                    weight_dtype(x.dtype()), " weights, they are ", weight.dtype());
  check<ShapeError>(x.device() == weight.device(), op, ": x is on ", x.device(), ", the weight on ",
                    weight.device());
  if (bias.defined())
    check<ShapeError>(bias.dtype() == weight.dtype(), op, ": bias is ", bias.dtype(),
                      ", the weight ", weight.dtype());
  if (bias.defined())
    check<ShapeError>(bias.device() == weight.device(), op, ": bias is on ", bias.device(),
                      ", the weight on ", weight.device());
}

void check_bias(const char* op, const Tensor& weight, const Tensor& bias, std::int64_t channels) {
  check<ShapeError>(!bias.defined() || bias.shape() == Shape{channels}, op, ": weight ",
                    weight.shape(), " wants bias [", channels, "], it is ",
                    bias.defined() ? bias.shape() : Shape{});
}

template <class T>
kernels::Weight<compute_type<T>> packed_weight(const Tensor& weight) {
  // Packed copies are kept per storage, so only for a weight that is all of its storage.
  const bool whole = weight.bytes() == weight.storage()->bytes();
  return {weight.kernel_data<compute_type<T>>(), whole ? &weight.storage()->packed() : nullptr};
}

template <class T>
const compute_type<T>* data_or_null(const Tensor& bias) {
  return bias.defined() ? bias.kernel_data<compute_type<T>>() : nullptr;
}

Tensor run_forward(const Tensor& x, const Tensor& weight, const Tensor& bias,
                   const Conv2dShape& s) {
  Tensor y = Tensor::empty({s.batch, s.out_h(), s.out_w(), s.out_channels}, x.dtype(), x.device());
  dispatch_float("conv2d", x, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    conv2d_forward(x.kernel_data<T>(), packed_weight<T>(weight), data_or_null<T>(bias),
                   y.kernel_mutable_data<T>(), s, context);
  });
  return y;
}

Tensor run_backward_data(const Tensor& dy, const Tensor& weight, const Tensor& bias,
                         const Conv2dShape& s) {
  Tensor dx = Tensor::empty({s.batch, s.in_h, s.in_w, s.in_channels}, dy.dtype(), dy.device());
  dispatch_float("conv2d_input_grad", dy, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    conv2d_backward_data(dy.kernel_data<T>(), packed_weight<T>(weight), data_or_null<T>(bias),
                         dx.kernel_mutable_data<T>(), s, context);
  });
  return dx;
}

Shape output_shape(const Conv2dShape& s) {
  return {s.batch, s.out_h(), s.out_w(), s.out_channels};
}

}  // namespace

Conv2dShape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& options) {
  check<ShapeError>(x.rank() == 4 && weight.rank() == 4,
                    "conv2d: wants x [N,H,W,C] and weight [O,R,S,C], got ", x, " and ", weight);
  check<ShapeError>(x[3] == weight[3], "conv2d: weight ", weight, " wants ", weight[3],
                    " input channels, x is ", x);
  check<ShapeError>(options.stride_h > 0 && options.stride_w > 0, "conv2d: stride ",
                    options.stride_h, "x", options.stride_w, " must be positive");
  const auto kernel_h = static_cast<int>(weight[1]), kernel_w = static_cast<int>(weight[2]);
  const Conv2dShape shape{.batch = x[0],
                          .in_h = x[1],
                          .in_w = x[2],
                          .in_channels = x[3],
                          .out_channels = weight[0],
                          .kernel_h = kernel_h,
                          .kernel_w = kernel_w,
                          .stride_h = options.stride_h,
                          .stride_w = options.stride_w,
                          .padding = options.padding.value_or(Padding::same(
                              x[1], x[2], kernel_h, kernel_w, options.stride_h, options.stride_w))};
  shape.validate();
  return shape;
}

Conv2dShape conv_transpose2d_shape(const Shape& x, const Shape& weight,
                                   const Conv2dOptions& options) {
  check<ShapeError>(x.rank() == 4 && weight.rank() == 4,
                    "conv_transpose2d: wants x [N,P,Q,I] and weight [I,R,S,O], got ", x, " and ",
                    weight);
  check<ShapeError>(x[3] == weight[0], "conv_transpose2d: weight ", weight, " wants ", weight[0],
                    " input channels, x is ", x);
  std::int64_t height = x[1] * options.stride_h, width = x[2] * options.stride_w;
  if (const auto& p = options.padding) {
    height = (x[1] - 1) * options.stride_h + weight[1] - p->top - p->bottom;
    width = (x[2] - 1) * options.stride_w + weight[2] - p->left - p->right;
  }
  check<ShapeError>(height >= 0 && width >= 0,
                    "conv_transpose2d: the padding is larger than the output of ", x);
  return conv2d_shape({x[0], height, width, weight[3]}, weight, options);
}

namespace {

/// conv2d with any padding: a transposed convolution's gradient may crop its input.
Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias,
                const Conv2dOptions& options) {
  check_operands("conv2d", x, weight, bias);
  const Conv2dShape shape = conv2d_shape(x.shape(), weight.shape(), options);
  check_bias("conv2d", weight, bias, shape.out_channels);
  const Tensor y = run_forward(x, weight, bias, shape);
  if (!must_record({x, weight, bias})) return y;
  return record(y, "conv2d", {x, weight, bias},
                [x = Saved(x), weight = Saved(weight), options](
                    const Tensor& dy, const NodePtr& self) -> std::vector<Tensor> {
                  const Tensor input = x.get(), w = weight.get();
                  return {
                      self->wants(0) ? conv2d_input_grad(dy, w, input.shape(), options) : Tensor(),
                      self->wants(1) ? conv2d_weight_grad(input, dy, w.shape(), options) : Tensor(),
                      self->wants(2) ? sum(dy, {0, 1, 2}) : Tensor()};
                });
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const Conv2dOptions& options) {
  const Padding pad = options.padding.value_or(Padding{});
  check<ShapeError>(std::min({pad.top, pad.bottom, pad.left, pad.right}) >= 0,
                    "conv2d: negative padding ", pad.top, ",", pad.bottom, ",", pad.left, ",",
                    pad.right, "; only a transposed convolution takes it");
  return convolve(x, weight, bias, options);
}

Tensor conv2d_input_grad(const Tensor& dy, const Tensor& weight, const Shape& input_shape,
                         const Conv2dOptions& options) {
  check_operands("conv2d_input_grad", dy, weight, Tensor());
  const Conv2dShape shape = conv2d_shape(input_shape, weight.shape(), options);
  check<ShapeError>(dy.shape() == output_shape(shape), "conv2d_input_grad: x ", input_shape,
                    " gives y ", output_shape(shape), ", dy is ", dy.shape());
  const Tensor dx = run_backward_data(dy, weight, Tensor(), shape);
  if (!must_record({dy, weight})) return dx;
  return record(
      dx, "conv2d_input_grad", {dy, weight},
      [dy = Saved(dy), weight = Saved(weight), options](
          const Tensor& g, const NodePtr& self) -> std::vector<Tensor> {
        const Tensor w = weight.get();
        return {self->wants(0) ? convolve(g, w, Tensor(), options) : Tensor(),
                self->wants(1) ? conv2d_weight_grad(g, dy.get(), w.shape(), options) : Tensor()};
      });
}

Tensor conv2d_weight_grad(const Tensor& x, const Tensor& dy, const Shape& weight_shape,
                          const Conv2dOptions& options) {
  check_same_kind("conv2d_weight_grad", x, dy);
  const Conv2dShape shape = conv2d_shape(x.shape(), weight_shape, options);
  check<ShapeError>(dy.shape() == output_shape(shape), "conv2d_weight_grad: x ", x.shape(),
                    " gives y ", output_shape(shape), ", dy is ", dy.shape());
  Tensor dweight = Tensor::empty(weight_shape, weight_dtype(x.dtype()), x.device());
  dispatch_float("conv2d_weight_grad", x, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    conv2d_backward_weight(x.kernel_data<T>(), dy.kernel_data<T>(),
                           dweight.kernel_mutable_data<compute_type<T>>(), shape, context);
  });
  if (!must_record({x, dy})) return dweight;
  return record(
      dweight, "conv2d_weight_grad", {x, dy},
      [x = Saved(x), dy = Saved(dy), options](const Tensor& g,
                                              const NodePtr& self) -> std::vector<Tensor> {
        const Tensor input = x.get();
        return {self->wants(0) ? conv2d_input_grad(dy.get(), g, input.shape(), options) : Tensor(),
                self->wants(1) ? convolve(input, g, Tensor(), options) : Tensor()};
      });
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Conv2dOptions& options) {
  check_operands("conv_transpose2d", x, weight, bias);
  const Conv2dShape shape = conv_transpose2d_shape(x.shape(), weight.shape(), options);
  check_bias("conv_transpose2d", weight, bias, shape.in_channels);
  const Tensor y = run_backward_data(x, weight, bias, shape);
  if (!must_record({x, weight, bias})) return y;
  return record(
      y, "conv_transpose2d", {x, weight, bias},
      [x = Saved(x), weight = Saved(weight), options](const Tensor& dy,
                                                      const NodePtr& self) -> std::vector<Tensor> {
        const Tensor w = weight.get();
        return {self->wants(0) ? convolve(dy, w, Tensor(), options) : Tensor(),
                self->wants(1) ? conv2d_weight_grad(dy, x.get(), w.shape(), options) : Tensor(),
                self->wants(2) ? sum(dy, {0, 1, 2}) : Tensor()};
      });
}

}  // namespace whisker::inline v0_1
