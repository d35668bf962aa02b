// Adds a bias to the results of a library that has none.
#pragma once

#include <cstdint>

namespace whisker::inline v0_1::kernels::cuda {

struct Context;

/// y[i] += bias[i mod channels] for `size` elements [..., channels]. A bfloat16 y has been rounded
/// before and is rounded again here.
template <class T>
void add_bias(const float* bias, T* y, std::int64_t size, std::int64_t channels, Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
