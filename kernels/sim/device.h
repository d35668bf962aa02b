// What a .cu file sees instead of CUDA: keywords, built-in variables and intrinsics.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <whisker/kernels/sim/runtime_api.h>
#include <whisker/kernels/sim/thread.h>

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __shared__ static_assert(false, "declare shared memory with WHISKER_SHARED");

#define threadIdx (::whisker::kernels::sim::current_thread->index)
#define blockIdx (::whisker::kernels::sim::current_block.index)
#define blockDim (::whisker::kernels::sim::current_block.dim)
#define gridDim (::whisker::kernels::sim::current_block.grid)
#define warpSize 32

// A reference to a true array in the block's arena, so that sanitizers know its bounds.
#define WHISKER_SHARED(T, name, dims)                                                   \
  using name##_shared_type = T dims;                                                    \
  static const char name##_shared_key = 0;                                              \
  auto& name = *static_cast<name##_shared_type*>(::whisker::kernels::sim::shared_array( \
      &name##_shared_key, sizeof(name##_shared_type), alignof(name##_shared_type), #name))
#define WHISKER_DYNAMIC_SHARED(name) \
  unsigned char* name = ::whisker::kernels::sim::current_block.dynamic_shared

// The simulator's own templates are not to be watched as if they were part of the kernel.
#define WHISKER_SIM_UNWATCHED __attribute__((no_sanitize("thread")))

namespace whisker::inline v0_1::kernels::sim {

template <class T>
struct ShuffleArgument {
  T value, result;
  unsigned source;
  const char* name;
  CallSite site;
};

template <class T>
WHISKER_SIM_UNWATCHED void run_shuffle(void* const* arguments, unsigned mask) {
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    if (!(mask >> lane & 1u)) continue;
    auto& mine = *static_cast<ShuffleArgument<T>*>(arguments[lane]);
    if (!(mask >> mine.source & 1u)) fail_shuffle(mine.source, mine.name, mine.site);
    mine.result = static_cast<ShuffleArgument<T>*>(arguments[mine.source])->value;
  }
}

template <class T>
WHISKER_SIM_UNWATCHED T shuffle(unsigned mask, T value, unsigned source, const char* name,
                                CallSite site) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  ShuffleArgument<T> argument{value, value, source, name, site};
  warp_collective(mask, name, &argument, run_shuffle<T>, site);
  return argument.result;
}

/// *address = update(*address, operand) at once; returns what was there before.
template <class T, class Update>
WHISKER_SIM_UNWATCHED T atomic_update(T* address, T operand, Update update, CallSite site) {
  static_assert(std::is_integral_v<T>, "floating-point atomics depend on the order of threads");
  note_access(address, sizeof(T), Access::kAtomic, site);
  T before = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(address, &before, update(before, operand), false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
  }
  return before;
}

}  // namespace whisker::inline v0_1::kernels::sim

// Barriers

inline void __syncthreads(
    whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  using whisker::kernels::sim::BarrierResult;
  whisker::kernels::sim::block_barrier(BarrierResult::kNone, 0, site);
}
inline int __syncthreads_and(
    int predicate, whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  using whisker::kernels::sim::BarrierResult;
  return whisker::kernels::sim::block_barrier(BarrierResult::kAll, predicate, site);
}
inline int __syncthreads_count(
    int predicate, whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  using whisker::kernels::sim::BarrierResult;
  return whisker::kernels::sim::block_barrier(BarrierResult::kCount, predicate, site);
}
void __syncwarp(unsigned mask = 0xFFFFFFFFu,
                whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here());
inline void __threadfence() {
  whisker::kernels::sim::note_fence();
}
inline void __threadfence_block() {
  whisker::kernels::sim::note_fence();
}

// Shuffles: a source outside the lane's segment of `width` lanes means the lane itself.

template <class T>
WHISKER_SIM_UNWATCHED T
__shfl_sync(unsigned mask, T value, int source, int width = 32,
            whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  using namespace whisker::kernels::sim;
  const int lane = static_cast<int>(current_thread->lane), segment = lane & ~(width - 1);
  const int from = segment | (source & (width - 1));
  return shuffle(mask, value, static_cast<unsigned>(from), "__shfl_sync", site);
}
template <class T>
WHISKER_SIM_UNWATCHED T
__shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  using namespace whisker::kernels::sim;
  const int lane = static_cast<int>(current_thread->lane);
  // Lanes of earlier segments may be read, those of later ones not.
  int from = lane ^ lane_mask;
  if ((from & ~(width - 1)) > (lane & ~(width - 1))) from = lane;
  return shuffle(mask, value, static_cast<unsigned>(from), "__shfl_xor_sync", site);
}
template <class T>
WHISKER_SIM_UNWATCHED T
__shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  using namespace whisker::kernels::sim;
  const int lane = static_cast<int>(current_thread->lane);
  int from = lane + static_cast<int>(delta);
  if ((from & ~(width - 1)) != (lane & ~(width - 1))) from = lane;
  return shuffle(mask, value, static_cast<unsigned>(from), "__shfl_down_sync", site);
}
template <class T>
WHISKER_SIM_UNWATCHED T
__shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
               whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  using namespace whisker::kernels::sim;
  const int lane = static_cast<int>(current_thread->lane);
  int from = lane - static_cast<int>(delta);
  if (from < (lane & ~(width - 1))) from = lane;
  return shuffle(mask, value, static_cast<unsigned>(from), "__shfl_up_sync", site);
}

// Votes and reductions of a warp

inline unsigned __ballot_sync(
    unsigned mask, int predicate,
    whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  using namespace whisker::kernels::sim;
  return warp_reduce(Reduction::kBallot, mask, predicate != 0 ? 1u : 0u, site);
}
#define WHISKER_SIM_WARP_REDUCTION(name, T, reduction)                                            \
  inline T name(unsigned mask, T value,                                                           \
                whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) { \
    using namespace whisker::kernels::sim;                                                        \
    return warp_reduce(Reduction::reduction, mask, value, site);                                  \
  }
WHISKER_SIM_WARP_REDUCTION(__reduce_add_sync, unsigned, kAdd)
WHISKER_SIM_WARP_REDUCTION(__reduce_add_sync, int, kAdd)
WHISKER_SIM_WARP_REDUCTION(__reduce_min_sync, unsigned, kMin)
WHISKER_SIM_WARP_REDUCTION(__reduce_min_sync, int, kMin)
WHISKER_SIM_WARP_REDUCTION(__reduce_max_sync, unsigned, kMax)
WHISKER_SIM_WARP_REDUCTION(__reduce_max_sync, int, kMax)
WHISKER_SIM_WARP_REDUCTION(__reduce_and_sync, unsigned, kAnd)
WHISKER_SIM_WARP_REDUCTION(__reduce_or_sync, unsigned, kOr)
WHISKER_SIM_WARP_REDUCTION(__reduce_xor_sync, unsigned, kXor)
#undef WHISKER_SIM_WARP_REDUCTION

// Atomics, on integers only: sums of floats would depend on the order of threads.

#define WHISKER_SIM_ATOMIC(name, expression)                                               \
  template <class T>                                                                       \
  T name(T* address, std::type_identity_t<T> value,                                        \
         whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) { \
    return whisker::kernels::sim::atomic_update(                                           \
        address, value, [](T a, T b) { return static_cast<T>(expression); }, site);        \
  }
WHISKER_SIM_ATOMIC(atomicAdd, a + b)
WHISKER_SIM_ATOMIC(atomicSub, a - b)
WHISKER_SIM_ATOMIC(atomicMin, a < b ? a : b)
WHISKER_SIM_ATOMIC(atomicMax, a > b ? a : b)
WHISKER_SIM_ATOMIC(atomicAnd, a& b)
WHISKER_SIM_ATOMIC(atomicOr, a | b)
WHISKER_SIM_ATOMIC(atomicExch, (static_cast<void>(a), b))
WHISKER_SIM_ATOMIC(atomicInc, a >= b ? 0 : a + 1)
#undef WHISKER_SIM_ATOMIC

template <class T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> desired,
            whisker::kernels::sim::CallSite site = whisker::kernels::sim::CallSite::here()) {
  return whisker::kernels::sim::atomic_update(
      address, desired, [expected](T a, T b) { return a == expected ? b : a; }, site);
}

// Loads and arithmetic

using std::max;
using std::min;
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
