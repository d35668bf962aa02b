// Differentiable elementwise functions of one tensor.
#pragma once

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

// Any shape; the dtype is a floating-point one, else ShapeError. The derivative at a kink is the
// one of the negative side (of abs: 0). Values and gradients at infinities and NaN are PyTorch's,
// see kernels/elementwise.h.

/// x if x > 0, else slope * x (Maas, Hannun & Ng 2013); with slope 0 it is relu.
Tensor leaky_relu(const Tensor& x, double slope = 0.2);
/// 0 if x < 0, else x.
Tensor relu(const Tensor& x);
Tensor tanh(const Tensor& x);
/// 1 / (1 + exp(-x)).
Tensor sigmoid(const Tensor& x);
/// 1.0507 x if x > 0, else 1.7581 (exp(x) - 1) (Klambauer et al. 2017).
Tensor selu(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor abs(const Tensor& x);

}  // namespace whisker::inline v0_1
