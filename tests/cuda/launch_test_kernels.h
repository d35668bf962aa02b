// Kernels that show that a build can start kernels at all.
#pragma once

#include <cstdint>

#include <whisker/kernels/cuda/context.h>

namespace whisker::testing {

/// y = a * x + y, elementwise; x, y [n].
void saxpy(float a, const float* x, float* y, std::int64_t n, kernels::cuda::Context& context);
/// sums[i] = x[256 i] + ... + x[256 i + 255], by shuffles and shared memory; x [n], zero beyond.
void block_sums(const float* x, float* sums, std::int64_t n, kernels::cuda::Context& context);

}  // namespace whisker::testing
