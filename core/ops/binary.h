// Differentiable arithmetic of two tensors, with NumPy's broadcasting.
#pragma once

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

// Both tensors have the same floating-point dtype and device; throws ShapeError otherwise, or where
// the shapes do not broadcast.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);

/// scale * x + shift.
Tensor affine(const Tensor& x, double scale, double shift);
inline Tensor scale(const Tensor& x, double factor) {
  return affine(x, factor, 0.0);
}

inline Tensor operator+(const Tensor& a, const Tensor& b) {
  return add(a, b);
}
inline Tensor operator-(const Tensor& a, const Tensor& b) {
  return sub(a, b);
}
inline Tensor operator*(const Tensor& a, const Tensor& b) {
  return mul(a, b);
}
inline Tensor operator/(const Tensor& a, const Tensor& b) {
  return div(a, b);
}
inline Tensor operator*(double a, const Tensor& x) {
  return affine(x, a, 0.0);
}
inline Tensor operator*(const Tensor& x, double a) {
  return affine(x, a, 0.0);
}
inline Tensor operator+(const Tensor& x, double b) {
  return affine(x, 1.0, b);
}
inline Tensor operator-(const Tensor& x, double b) {
  return affine(x, 1.0, -b);
}
inline Tensor operator-(const Tensor& x) {
  return affine(x, -1.0, 0.0);
}

/// Elementwise -label * log(sigmoid(logit)) - (1 - label) * log(1 - sigmoid(logit)) in a form that
/// cannot overflow; labels may be soft. Follows tf.nn.sigmoid_cross_entropy_with_logits. At
/// infinite logits it is what PyTorch's binary_cross_entropy_with_logits gives, inf or NaN.
Tensor sigmoid_cross_entropy_with_logits(const Tensor& logits, const Tensor& labels);

}  // namespace whisker::inline v0_1
