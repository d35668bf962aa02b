#include <whisker/kernels/cuda/gpu.h>

#include "launch_test_kernels.h"

namespace whisker::testing {
namespace {

using kernels::cuda::Context;
using kernels::cuda::launch;
using kernels::cuda::LaunchConfig;

constexpr unsigned kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    saxpy_kernel(float a, const float* x, float* y, std::int64_t n) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i];
}

__device__ float warp_sum(float value) {
  for (int offset = 16; offset > 0; offset /= 2)
    value += __shfl_xor_sync(0xFFFFFFFFu, value, offset);
  return value;
}

__global__ void __launch_bounds__(kThreads)
    block_sums_kernel(const float* x, float* sums, std::int64_t n) {
  WHISKER_SHARED(float, partial, [kThreads / 32]);
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const float sum = warp_sum(i < n ? x[i] : 0.0f);
  if (lane == 0) partial[warp] = sum;
  __syncthreads();
  if (warp == 0) {
    const float total = warp_sum(lane < kThreads / 32 ? partial[lane] : 0.0f);
    if (lane == 0) sums[blockIdx.x] = total;
  }
}

unsigned blocks_for(std::int64_t n) {
  return static_cast<unsigned>((n + kThreads - 1) / kThreads);
}

}  // namespace

void saxpy(float a, const float* x, float* y, std::int64_t n, Context& context) {
  launch(LaunchConfig("saxpy", blocks_for(n), kThreads, context.stream), saxpy_kernel, a, x, y, n);
}

void block_sums(const float* x, float* sums, std::int64_t n, Context& context) {
  launch(LaunchConfig("block_sums", blocks_for(n), kThreads, context.stream), block_sums_kernel, x,
         sums, n);
}

}  // namespace whisker::testing
