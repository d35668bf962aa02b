// Differentiable sums, and their counterpart, broadcasting.
#pragma once

#include <vector>

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// The sum over the given axes (negative ones count from the last), or over all of them if none is
/// given; `keep` leaves them in the shape with size 1. Sums are accumulated in double; those of
/// bfloat16 tensors are float32. Throws ShapeError for an axis that is not there or comes twice,
/// and for the mean of no elements; where there is no mean to take, as in mean([0,4], {1}), y is
/// empty.
Tensor sum(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);
Tensor mean(const Tensor& x, const std::vector<int>& axes = {}, bool keep = false);

/// x repeated along its axes of size 1 and along new leading axes; throws ShapeError.
Tensor broadcast_to(const Tensor& x, const Shape& shape);

/// The adjoint of broadcast_to: sums x over what broadcasting `shape` to x.shape() repeated.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace whisker::inline v0_1
