#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/binary.h>
#include <whisker/core/ops/unary.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>

namespace whisker::inline v0_1 {
namespace {

template <class Op>
Tensor unary_backward(const char* name, const Tensor& dy, const Tensor& saved, Op op) {
  Tensor dx = Tensor::empty(dy.shape(), dy.dtype(), dy.device());
  dispatch_float(name, dy, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    unary_backward(dy.kernel_data<T>(), saved.kernel_data<T>(), dx.kernel_mutable_data<T>(),
                   dy.numel(), op, context);
  });
  return dx;
}

/// y = op(x). `gradient` is dx by differentiable ops, from dy and from y or x as Op::kSavesOutput
/// says; it is used where the backward pass is recorded, the kernel where not.
template <class Op, class Gradient>
Tensor unary(const char* name, const Tensor& x, Op op, Gradient gradient) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  dispatch_float(name, x, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    unary_forward(x.kernel_data<T>(), y.kernel_mutable_data<T>(), x.numel(), op, context);
  });
  if (!must_record({x})) return y;
  return record(y, name, {x},
                [name, op, gradient, kept = Saved(Op::kSavesOutput ? y : x)](
                    const Tensor& dy, const NodePtr& self) -> std::vector<Tensor> {
                  const Tensor saved = Op::kSavesOutput ? kept.get_as_output_of(self) : kept.get();
                  if (grad_enabled()) return {gradient(dy, saved)};
                  return {unary_backward(name, dy, saved, op)};
                });
}

/// dx = op.gradient(dy, x) of a piecewise linear function: linear in dy, and constant in x to
/// whoever differentiates again.
template <class Op>
Tensor linear_gradient(const char* name, const Tensor& dy, const Tensor& x, Op op) {
  const Tensor dx = unary_backward(name, dy, x, op);
  if (!must_record({dy})) return dx;
  return record(
      dx, name, {dy},
      [name, op, x = Saved(x.detach())](const Tensor& ddx, const NodePtr&) -> std::vector<Tensor> {
        return {linear_gradient(name, ddx, x.get(), op)};
      });
}

template <class Op>
Tensor piecewise_linear(const char* name, const Tensor& x, Op op) {
  return unary(name, x, op, [name, op](const Tensor& dy, const Tensor& saved) {
    return linear_gradient(name, dy, saved, op);
  });
}

/// Whose derivative is itself, with 0 where x is positive.
Tensor selu_derivative(const Tensor& x, double positive) {
  return unary(
      "selu", x, kernels::SeluDerivative{positive},
      [](const Tensor& dy, const Tensor& saved) { return dy * selu_derivative(saved, 0.0); });
}

}  // namespace

Tensor leaky_relu(const Tensor& x, double slope) {
  return piecewise_linear("leaky_relu", x, kernels::LeakyRelu{slope});
}

Tensor relu(const Tensor& x) {
  return piecewise_linear("relu", x, kernels::LeakyRelu{0.0});
}

Tensor abs(const Tensor& x) {
  return piecewise_linear("abs", x, kernels::Abs{});
}

Tensor affine(const Tensor& x, double scale, double shift) {
  return piecewise_linear("affine", x, kernels::Affine{scale, shift});
}

Tensor tanh(const Tensor& x) {
  return unary("tanh", x, kernels::Tanh{},
               [](const Tensor& dy, const Tensor& y) { return dy * affine(square(y), -1.0, 1.0); });
}

Tensor sigmoid(const Tensor& x) {
  return unary("sigmoid", x, kernels::Sigmoid{},
               [](const Tensor& dy, const Tensor& y) { return dy * (y - square(y)); });
}

Tensor selu(const Tensor& x) {
  using kernels::Selu;
  return unary("selu", x, Selu{}, [](const Tensor& dy, const Tensor& saved) {
    return dy * selu_derivative(saved, Selu::kScale);
  });
}

Tensor exp(const Tensor& x) {
  return unary("exp", x, kernels::Exp{}, [](const Tensor& dy, const Tensor& y) { return dy * y; });
}

Tensor log(const Tensor& x) {
  return unary("log", x, kernels::Log{},
               [](const Tensor& dy, const Tensor& saved) { return dy / saved; });
}

Tensor sqrt(const Tensor& x) {
  return unary("sqrt", x, kernels::Sqrt{}, [](const Tensor& dy, const Tensor& y) {
    return dy * (Tensor::full(y.shape(), 0.5, y.dtype(), y.device()) / y);
  });
}

Tensor square(const Tensor& x) {
  return unary("square", x, kernels::Square{},
               [](const Tensor& dy, const Tensor& saved) { return dy * (2.0 * saved); });
}

}  // namespace whisker::inline v0_1
