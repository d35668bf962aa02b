// Differentiable changes of shape.
#pragma once

#include <vector>

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// The same elements under another shape, sharing storage; throws ShapeError if the counts differ.
Tensor reshape(const Tensor& x, const Shape& shape);
/// [N, ...] -> [N, the product of the rest].
Tensor flatten(const Tensor& x);
/// Joins tensors along an axis in which alone they may differ; throws ShapeError.
Tensor concat(const std::vector<Tensor>& parts, int axis = 0);
/// Rows [begin, end) of the leading dimension, sharing storage; throws ShapeError.
Tensor slice(const Tensor& x, std::int64_t begin, std::int64_t end);

}  // namespace whisker::inline v0_1
