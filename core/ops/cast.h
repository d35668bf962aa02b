// Differentiable change of element type.
#pragma once

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// x rounded to the nearest value of a floating-point dtype; x itself where it has that dtype. The
/// gradient is cast back. From int32 and uint8 there is no gradient, and to them no cast.
Tensor cast(const Tensor& x, Dtype dtype);

}  // namespace whisker::inline v0_1
