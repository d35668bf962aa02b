// The hyperbolic tangent by oneDNN: libm's takes one number at a time.
#pragma once

#include <cstdint>

#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels::cpu {

/// y[i] = tanh(x[i]), to a few units in the last place.
void tanh_forward(const float* x, float* y, std::int64_t n, Context& context);

}  // namespace whisker::inline v0_1::kernels::cpu
