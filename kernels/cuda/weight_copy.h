// Copies of a weight in the layouts that CUDA kernels want.
#pragma once

#include <cstdint>

#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels::cuda {

struct Context;

/// PackedWeights' copy named kBfloat16Layout, made from `size` floats when there is none. The
/// launches that use it are to be queued before the Buffer is dropped.
Buffer bfloat16_copy(Weight<float> weight, std::int64_t size, Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
