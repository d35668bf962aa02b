// The simulator's twins of the wrappers in kernels/cuda/ptx.h.
#pragma once

#include <cstdint>

#include <whisker/kernels/sim/thread.h>

namespace whisker::inline v0_1::kernels::cuda::ptx {

/// The offset in the block's shared memory.
std::uint32_t smem_address(const void* shared);

/// The destination is all ones (NaN) from here on; the copy happens in the wait that completes it,
/// which is the latest moment that PTX allows.
void cp_async_16(void* shared, const void* global, bool predicate,
                 CallSite site = CallSite::here());
void cp_async_commit();
void cp_async_wait_groups(unsigned newest);
template <int N>
void cp_async_wait() {
  static_assert(N >= 0);
  cp_async_wait_groups(N);
}

void ldmatrix_x4(std::uint32_t (&r)[4], const void* shared, CallSite site = CallSite::here());
void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* shared, CallSite site = CallSite::here());
void ldmatrix_x2(std::uint32_t (&r)[2], const void* shared, CallSite site = CallSite::here());
void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* shared, CallSite site = CallSite::here());

/// Sums are formed in float, by ascending k; the hardware's order and rounding are unspecified.
void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                       CallSite site = CallSite::here());
void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                      CallSite site = CallSite::here());

std::uint32_t to_tf32(float value);
std::uint32_t to_bfloat16x2(float low, float high);

}  // namespace whisker::inline v0_1::kernels::cuda::ptx
