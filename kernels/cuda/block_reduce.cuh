// Sums over a warp and over a block. Orders are fixed, so equal arguments give equal bits.
#pragma once

#include <cstdint>

#include <whisker/kernels/cuda/gpu.h>

namespace whisker::inline v0_1::kernels::cuda {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kAllLanes = 0xFFFFFFFFu;

/// The sum over a warp, in every lane. All 32 lanes take part.
template <class F>
__device__ __forceinline__ F warp_sum(F value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2)
    value += __shfl_xor_sync(kAllLanes, value, distance);
  return value;
}

/// The sum over a block of kThreads threads in one dimension, in every thread; all take part.
/// Contains two barriers: `scratch` (shared) may be overwritten by anybody before the call, and
/// right after it only where a barrier follows first.
template <int kThreads, class F>
__device__ __forceinline__ F block_sum(F value, F (&scratch)[kThreads / kWarpSize]) {
  constexpr int kWarps = kThreads / kWarpSize;
  static_assert(kThreads % kWarpSize == 0);
  value = warp_sum(value);
  __syncthreads();
  if (threadIdx.x % kWarpSize == 0) scratch[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  F sum = scratch[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp)
    sum += scratch[warp];
  return sum;
}

}  // namespace whisker::inline v0_1::kernels::cuda
