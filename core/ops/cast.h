// Differentiable change of element type.
#pragma once

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// x rounded to the nearest value of a floating-point dtype; x itself where it has that dtype. The
/// gradient is cast back. From integers and the dtypes that are only stored, as files have them,
/// there is no gradient, and to them no cast; a boolean becomes 0 or 1. Throws ShapeError for
/// another dtype, and for x of complex64 or of a packed dtype.
Tensor cast(const Tensor& x, Dtype dtype);

}  // namespace whisker::inline v0_1
