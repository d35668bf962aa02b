// PTX wrappers of sm_90a: mbarriers, the tensor memory accelerator and warpgroup matrix products.
// Included besides gpu.h by kernels that are launched on Hopper only; on other architectures the
// same functions trap. None of them has run on hardware yet.
#pragma once

#include <cstdint>

#ifdef WHISKER_SIM
#include <whisker/kernels/sim/ptx_hopper.h>
#else
#include <cuda.h>

#include <whisker/kernels/cuda/ptx.h>

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define WHISKER_HOPPER_ASM(...) asm volatile(__VA_ARGS__)
#else
#define WHISKER_HOPPER_ASM(...) __trap()
#endif

namespace whisker::inline v0_1::kernels::cuda::ptx {

// mbarriers (9.7.13.15): a phase ends when all arrivals and all announced bytes have come.

__device__ __forceinline__ void mbarrier_init(std::uint64_t* mbarrier, std::uint32_t arrivals) {
  WHISKER_HOPPER_ASM("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(smem_address(mbarrier)),
                     "r"(arrivals)
                     : "memory");
}

/// Between the initialisation and the first use by an asynchronous copy.
__device__ __forceinline__ void fence_mbarrier_init() {
  WHISKER_HOPPER_ASM("fence.mbarrier_init.release.cluster;" ::: "memory");
}

/// Between ordinary writes to shared memory and their use by wgmma or a bulk store.
__device__ __forceinline__ void fence_proxy_async() {
  WHISKER_HOPPER_ASM("fence.proxy.async;" ::: "memory");
}

__device__ __forceinline__ void mbarrier_arrive(std::uint64_t* mbarrier) {
  WHISKER_HOPPER_ASM("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(smem_address(mbarrier))
                     : "memory");
}

/// Arrives, and announces bytes that copies will bring in this phase.
__device__ __forceinline__ void mbarrier_arrive_expect_tx(std::uint64_t* mbarrier,
                                                          std::uint32_t bytes) {
  WHISKER_HOPPER_ASM(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(smem_address(mbarrier)),
      "r"(bytes)
      : "memory");
}

/// Waits for the end of the phase with this parity; the first phase has parity 0.
__device__ __forceinline__ void mbarrier_wait(std::uint64_t* mbarrier, std::uint32_t parity) {
  WHISKER_HOPPER_ASM(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(smem_address(mbarrier)),
      "r"(parity)
      : "memory");
}

// Tiled copies (9.7.9.27, cp.async.bulk.tensor) with maps of make_tensor_map. One thread issues;
// the tile is 1024-byte aligned; coordinates are elements, innermost first.

__device__ __forceinline__ void tma_load_2d(void* shared, const CUtensorMap* map,
                                            std::uint64_t* mbarrier, int c0, int c1) {
  WHISKER_HOPPER_ASM(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4}], [%2];" ::"r"(smem_address(shared)),
      "l"(map), "r"(smem_address(mbarrier)), "r"(c0), "r"(c1)
      : "memory");
}

__device__ __forceinline__ void tma_load_3d(void* shared, const CUtensorMap* map,
                                            std::uint64_t* mbarrier, int c0, int c1, int c2) {
  WHISKER_HOPPER_ASM(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(smem_address(shared)),
      "l"(map), "r"(smem_address(mbarrier)), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
}

__device__ __forceinline__ void tma_load_4d(void* shared, const CUtensorMap* map,
                                            std::uint64_t* mbarrier, int c0, int c1, int c2,
                                            int c3) {
  WHISKER_HOPPER_ASM(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(smem_address(shared)),
      "l"(map), "r"(smem_address(mbarrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}

__device__ __forceinline__ void tma_load_5d(void* shared, const CUtensorMap* map,
                                            std::uint64_t* mbarrier, int c0, int c1, int c2, int c3,
                                            int c4) {
  WHISKER_HOPPER_ASM(
      "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(smem_address(shared)),
      "l"(map), "r"(smem_address(mbarrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)
      : "memory");
}

__device__ __forceinline__ void tma_store_2d(const CUtensorMap* map, const void* shared, int c0,
                                             int c1) {
  WHISKER_HOPPER_ASM(
      "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
      "r"(smem_address(shared)), "r"(c0), "r"(c1)
      : "memory");
}

__device__ __forceinline__ void tma_store_4d(const CUtensorMap* map, const void* shared, int c0,
                                             int c1, int c2, int c3) {
  WHISKER_HOPPER_ASM(
      "cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(
          map),
      "r"(smem_address(shared)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}

/// Makes one group of the stores that this thread has issued since its last commit.
__device__ __forceinline__ void bulk_commit() {
  WHISKER_HOPPER_ASM("cp.async.bulk.commit_group;" ::: "memory");
}
/// Waits until at most N groups are incomplete.
template <int N>
__device__ __forceinline__ void bulk_wait() {
  WHISKER_HOPPER_ASM("cp.async.bulk.wait_group %0;" ::"n"(N) : "memory");
}
/// The same, but only until shared memory has been read and may be overwritten.
template <int N>
__device__ __forceinline__ void bulk_wait_read() {
  WHISKER_HOPPER_ASM("cp.async.bulk.wait_group.read %0;" ::"n"(N) : "memory");
}

// Products of a warpgroup (9.7.15, wgmma): d [64, N] += a [64, 16] * b [16, N], a and b in shared
// memory with 128-byte swizzle. Lane l of warp w has rows 16 w + l / 4 and the eighth after it,
// columns 8 i + 2 (l % 4) and the next one, in d[4 i .. 4 i + 3]. d may be used after the wait
// only.

/// Which axis of an operand is contiguous: K, or M of a and N of b.
enum class Major { kK, kMn };

/// An operand that begins at `shared`; `stride_bytes` leads from eight rows to the next eight,
/// `leading_bytes` from 64 columns to the next (kMn only).
__device__ __forceinline__ std::uint64_t matrix_descriptor(const void* shared,
                                                           std::uint32_t leading_bytes,
                                                           std::uint32_t stride_bytes) {
  return static_cast<std::uint64_t>((smem_address(shared) & 0x3FFFFu) >> 4) |
         static_cast<std::uint64_t>(leading_bytes >> 4) << 16 |
         static_cast<std::uint64_t>(stride_bytes >> 4) << 32 | static_cast<std::uint64_t>(1) << 62;
}

/// Before the first product, and whenever other code has touched the accumulators.
__device__ __forceinline__ void wgmma_fence() {
  WHISKER_HOPPER_ASM("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void wgmma_commit() {
  WHISKER_HOPPER_ASM("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int N>
__device__ __forceinline__ void wgmma_wait() {
  WHISKER_HOPPER_ASM("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

template <int N, Major kA = Major::kK, Major kB = Major::kK>
__device__ __forceinline__ void wgmma_m64k16_bf16(float (&d)[N / 2], std::uint64_t a,
                                                  std::uint64_t b) {
  static_assert(
      N == 8 || N == 16 || N == 32 || N == 64 || N == 96 || N == 128 || N == 192 || N == 256,
      "add the list of registers of this N to wgmma.inc.h");
#define WHISKER_WGMMA_TAIL "l"(a), "l"(b), "n"(kA == Major::kMn), "n"(kB == Major::kMn) : "memory"
#include <whisker/kernels/cuda/wgmma.inc.h>
#undef WHISKER_WGMMA_TAIL
}

}  // namespace whisker::inline v0_1::kernels::cuda::ptx

#undef WHISKER_HOPPER_ASM
#endif
