// Copies of a weight in the layouts that CUDA kernels want.
#pragma once

#include <cstdint>

#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels::cuda {

struct Context;

/// PackedWeights' name of the weight in bfloat16, in the order of the float32 original.
inline constexpr std::uint64_t kBfloat16Layout = 0x62663136'00000001;

/// That copy, made from `size` floats when there is none. The launches that use it are to be
/// queued before the Buffer is dropped.
Buffer bfloat16_copy(Weight<float> weight, std::int64_t size, Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
