// Differentiable matrix products.
#pragma once

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
};

/// op(a) op(b) with a and b two-dimensional and op the transpose where asked; throws ShapeError.
Tensor matmul(const Tensor& a, const Tensor& b, MatmulOptions options = {});

/// y = x weight^T + bias: x [N, in], weight [out, in], bias [out] or undefined, y [N, out]. A
/// weight of another dtype is cast to that of x, so float32 weights serve bfloat16 activations.
Tensor dense(const Tensor& x, const Tensor& weight, const Tensor& bias);

}  // namespace whisker::inline v0_1
