// The second half of a reduction that was split among blocks.
#pragma once

#include <cstdint>

namespace whisker::inline v0_1::kernels::cuda {

struct Context;

/// y[i] = parts[0][i] + parts[1][i] + ..., in this order; parts [count, size]. T is float or
/// bfloat16, to which sums are rounded once.
template <class T>
void sum_parts(const float* parts, T* y, std::int64_t size, int count, Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
