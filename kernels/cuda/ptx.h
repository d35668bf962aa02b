// One inline function per PTX instruction that kernels use (sm_80 and later); each has a twin in
// the simulator and a conformance test in tests/cuda. Sections are those of the PTX ISA.
#pragma once

#include <cstdint>

#ifdef WHISKER_SIM
#include <whisker/kernels/sim/ptx.h>
#else

namespace whisker::inline v0_1::kernels::cuda::ptx {

/// The 32-bit address of shared memory that PTX instructions take.
__device__ __forceinline__ std::uint32_t smem_address(const void* shared) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}

// Asynchronous copies (9.7.9.25.3, cp.async). The bytes at `shared` are undefined from the copy to
// the wait, and then visible to the thread that waited; others need a barrier after that.

/// Copies 16 bytes from global to shared memory, or writes zeros there if not `predicate`; both
/// addresses are 16-byte aligned. Bypasses L1.
__device__ __forceinline__ void cp_async_16(void* shared, const void* global, bool predicate) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(smem_address(shared)),
               "l"(global), "r"(predicate ? 16 : 0)
               : "memory");
}

/// Makes one group of the copies that this thread has issued since its last commit.
__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/// Waits until at most N of this thread's newest groups are in flight.
template <int N>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// Matrix loads (9.7.14.5.15, ldmatrix). Lanes 8i..8i+7 give the addresses of the eight 16-byte rows
// of 8x8 matrix i. Lane l gets of each matrix row l / 4, columns 2 (l % 4) and the next one; with
// `trans` the same of the transposed matrix. x2 uses the addresses of lanes 0..15 only.

__device__ __forceinline__ void ldmatrix_x4(std::uint32_t (&r)[4], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(smem_address(shared))
               : "memory");
}

__device__ __forceinline__ void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(smem_address(shared))
               : "memory");
}

__device__ __forceinline__ void ldmatrix_x2(std::uint32_t (&r)[2], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(smem_address(shared))
               : "memory");
}

__device__ __forceinline__ void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(smem_address(shared))
               : "memory");
}

// Matrix products of one warp (9.7.14.5, mma.sync): d [16, 8] += a [16, K] * b [K, 8].

/// bfloat16, K = 16; a holds pairs of columns, b pairs of rows, the lower index in the low half.
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4],
                                                  const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// TF32 (bits of floats, made by to_tf32), K = 8.
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                                 const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Conversions (9.7.9.21, cvt).

/// The nearest TF32 value, ties away from zero.
__device__ __forceinline__ std::uint32_t to_tf32(float value) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

/// Two floats rounded to nearest even bfloat16; `low` goes to the low half.
__device__ __forceinline__ std::uint32_t to_bfloat16x2(float low, float high) {
  std::uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

}  // namespace whisker::inline v0_1::kernels::cuda::ptx

#endif
