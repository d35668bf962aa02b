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

/// y = op(x). `derivative` is dy/dx by differentiable ops, from y or x as Op::kSavesOutput says;
/// it is used where the backward pass is recorded, the kernel where not.
template <class Op, class Derivative>
Tensor unary(const char* name, const Tensor& x, Op op, Derivative derivative) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  dispatch_float(name, x, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    unary_forward(x.kernel_data<T>(), y.kernel_mutable_data<T>(), x.numel(), op, context);
  });
  if (!must_record({x})) return y;
  return record(y, name, {x},
                [name, op, derivative, kept = Saved(Op::kSavesOutput ? y : x)](
                    const Tensor& dy, const NodePtr& self) -> std::vector<Tensor> {
                  const Tensor saved = Op::kSavesOutput ? kept.get_as_output_of(self) : kept.get();
                  if (grad_enabled()) return {dy * derivative(saved)};
                  return {unary_backward(name, dy, saved, op)};
                });
}

/// The derivative of a piecewise linear function: a constant to whoever differentiates again.
template <class Op>
auto piecewise_constant(const char* name, Op op) {
  return [name, op](const Tensor& x) {
    return unary_backward(name, Tensor::full(x.shape(), 1.0, x.dtype(), x.device()), x, op);
  };
}

}  // namespace

Tensor leaky_relu(const Tensor& x, double slope) {
  const kernels::LeakyRelu op{slope};
  return unary("leaky_relu", x, op, piecewise_constant("leaky_relu", op));
}

Tensor relu(const Tensor& x) {
  const kernels::LeakyRelu op{0.0};
  return unary("relu", x, op, piecewise_constant("relu", op));
}

Tensor abs(const Tensor& x) {
  return unary("abs", x, kernels::Abs{}, piecewise_constant("abs", kernels::Abs{}));
}

Tensor affine(const Tensor& x, double scale, double shift) {
  const kernels::Affine op{scale, shift};
  return unary("affine", x, op, piecewise_constant("affine", op));
}

Tensor tanh(const Tensor& x) {
  return unary("tanh", x, kernels::Tanh{},
               [](const Tensor& y) { return affine(square(y), -1.0, 1.0); });
}

Tensor sigmoid(const Tensor& x) {
  return unary("sigmoid", x, kernels::Sigmoid{}, [](const Tensor& y) { return y - square(y); });
}

Tensor selu(const Tensor& x) {
  using kernels::Selu;
  return unary("selu", x, Selu{}, [](const Tensor& saved) {
    // One side's exponential must not overflow into the other's product with zero.
    const Tensor negative =
        affine(piecewise_constant("selu", kernels::LeakyRelu{0.0})(saved), -1.0, 1.0);
    const Tensor positive = affine(negative, -Selu::kScale, Selu::kScale);
    return positive + negative * affine(exp(saved * negative), Selu::kScale * Selu::kAlpha, 0.0);
  });
}

Tensor exp(const Tensor& x) {
  return unary("exp", x, kernels::Exp{}, [](const Tensor& y) { return y; });
}

Tensor log(const Tensor& x) {
  return unary("log", x, kernels::Log{}, [](const Tensor& saved) {
    return Tensor::full(saved.shape(), 1.0, saved.dtype(), saved.device()) / saved;
  });
}

Tensor sqrt(const Tensor& x) {
  return unary("sqrt", x, kernels::Sqrt{}, [](const Tensor& y) {
    return Tensor::full(y.shape(), 0.5, y.dtype(), y.device()) / y;
  });
}

Tensor square(const Tensor& x) {
  return unary("square", x, kernels::Square{}, [](const Tensor& saved) { return 2.0 * saved; });
}

}  // namespace whisker::inline v0_1
