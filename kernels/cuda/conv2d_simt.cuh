// Convolutions on the floating-point units: implicit GEMM for every shape, in 32-bit arithmetic.
//
// A block computes 64 x 64 of c. Its 256 threads fetch 16 indices k of both operands into
// registers while they multiply the 16 before from shared memory; each keeps 4 x 4 sums. Sums run
// over k in ascending order, whatever the launch. c is overwritten.
#pragma once

#include <whisker/kernels/cuda/conv2d_tile.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {

// ------------------------------------------------------------------------------- device helpers

/// Rows of shared tiles are this long: 16-byte aligned, and stores of a column spread over banks.
inline constexpr int kSimtPitch = kSimtBlock + 4;
using SimtTile = float[kSimtBlockK][kSimtPitch];

/// One thread's share in moving tiles of an operand: kPasses times kVector elements.
template <class Operand, class T, int kVector>
class SimtLoader {
 public:
  __device__ SimtLoader(const Operand& operand, const T* data, int first_mn, int mn_size)
      : operand_(operand), data_(data) {
#pragma unroll
    for (int pass = 0; pass < kMnCount; ++pass) {
      const int mn = first_mn + tile_mn(pass);
      mn_[pass] = operand.mn(mn);
      inside_[pass] = mn < mn_size;
    }
  }

  /// Fetches k = first_k .. first_k + 15; what is at or beyond k_end is zero.
  __device__ void fetch(int first_k, int k_end) {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass) {
      const int k = first_k + tile_k(pass), i = kAlongK ? pass : 0;
      const std::int64_t offset =
          k < k_end && inside_[i] ? operand_.offset(mn_[i], operand_.k(k)) : kOutside;
      if (offset == kOutside)
        elements_[pass] = {};
      else
        elements_[pass] = load_vector<kVector>(data_ + offset);
    }
  }

  __device__ void store(SimtTile& tile) const {
#pragma unroll
    for (int pass = 0; pass < kPasses; ++pass)
#pragma unroll
      for (int j = 0; j < kVector; ++j)
        tile[tile_k(pass) + (kAlongK ? j : 0)][tile_mn(pass) + (kAlongK ? 0 : j)] =
            elements_[pass].values[j];
  }

 private:
  static constexpr bool kAlongK = Operand::kMajor == Major::k;
  static constexpr int kRowChunks = (kAlongK ? kSimtBlockK : kSimtBlock) / kVector;
  static constexpr int kRowsPerPass = kSimtThreads / kRowChunks;
  static constexpr int kPasses = kSimtBlock * kSimtBlockK / (kSimtThreads * kVector);
  static constexpr int kMnCount = kAlongK ? kPasses : 1;

  static __device__ int row(int pass) {
    return static_cast<int>(threadIdx.x) / kRowChunks + pass * kRowsPerPass;
  }
  static __device__ int column() {
    return static_cast<int>(threadIdx.x) % kRowChunks * kVector;
  }
  static __device__ int tile_k(int pass) {
    return kAlongK ? column() : row(pass);
  }
  static __device__ int tile_mn(int pass) {
    return kAlongK ? row(pass) : column();
  }

  const Operand& operand_;
  const T* data_;
  typename Operand::Mn mn_[kMnCount];
  bool inside_[kMnCount];
  Vector<float, kVector> elements_[kPasses];
};

/// sums[4][4] += the thread's rows of a times its columns of b.
__device__ __forceinline__ void multiply_simt_tiles(const SimtTile& a, const SimtTile& b, int m,
                                                    int n, float (&sums)[4][4]) {
#pragma unroll
  for (int k = 0; k < kSimtBlockK; ++k) {
    const float4 column = *reinterpret_cast<const float4*>(&a[k][m]);
    const float4 row = *reinterpret_cast<const float4*>(&b[k][n]);
    const float x[4] = {column.x, column.y, column.z, column.w};
    const float y[4] = {row.x, row.y, row.z, row.w};
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j)
        sums[i][j] += x[i] * y[j];
  }
}

/// Writes up to four neighbours of a row of c, `count` of which are inside.
template <int kVector, class T>
__device__ __forceinline__ void store_simt_row(const float (&sums)[4], const float* bias, int count,
                                               T* c) {
  Vector<float, 4> results;
#pragma unroll
  for (int j = 0; j < 4; ++j)
    results.values[j] = sums[j] + (bias != nullptr && j < count ? bias[j] : 0.0f);
  if constexpr (kVector == 4) {  // then rows are multiples of 4: count is 4 or not positive
    if (count > 0) store_vector<4>(results, c);
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (j < count) c[j] = T(results.values[j]);
  }
}

// -------------------------------------------------------------------------------------- kernel

/// c[m, n] = bias[n] + sum over the split's k of a[m, k] b[k, n]; split z goes to c + z * pitch.
/// kVector is 4 where all channel counts are multiples of 4 and pointers are aligned, else 1.
template <class Gemm, int kVector, class TA, class TB, class TC>
__global__ void __launch_bounds__(kSimtThreads)
    conv2d_simt_kernel(const TA* __restrict__ a, const TB* __restrict__ b,
                       const float* __restrict__ bias, TC* __restrict__ c, std::int64_t split_pitch,
                       const __grid_constant__ GemmGroup<Gemm> group) {
  WHISKER_SHARED(float, tiles_a, [2][kSimtBlockK][kSimtPitch]);
  WHISKER_SHARED(float, tiles_b, [2][kSimtBlockK][kSimtPitch]);
  const auto tile = group.tile(static_cast<int>(blockIdx.x));
  const Gemm& gemm = group.gemms[tile.gemm];
  const int first_m = tile.m * kSimtBlock, first_n = tile.n * kSimtBlock;
  const KRange range =
      split_k(gemm.k, kSimtBlockK, static_cast<int>(gridDim.z), static_cast<int>(blockIdx.z));
  SimtLoader<typename Gemm::A, TA, kVector> load_a(gemm.a, a, first_m, gemm.m);
  SimtLoader<typename Gemm::B, TB, kVector> load_b(gemm.b, b, first_n, gemm.n);
  const int m = static_cast<int>(threadIdx.x) / 16 * 4, n = static_cast<int>(threadIdx.x) % 16 * 4;

  float sums[4][4] = {};
  int buffer = 0;
  if (range.begin < range.end) {
    load_a.fetch(range.begin, range.end);
    load_b.fetch(range.begin, range.end);
  }
  for (int k = range.begin; k < range.end; k += kSimtBlockK, buffer ^= 1) {
    // One barrier is enough: who stores here has passed the barrier after which all threads
    // had read this buffer for the last time.
    load_a.store(tiles_a[buffer]);
    load_b.store(tiles_b[buffer]);
    __syncthreads();
    if (k + kSimtBlockK < range.end) {
      load_a.fetch(k + kSimtBlockK, range.end);
      load_b.fetch(k + kSimtBlockK, range.end);
    }
    multiply_simt_tiles(tiles_a[buffer], tiles_b[buffer], m, n, sums);
  }

  TC* result = c + blockIdx.z * split_pitch;
  const int columns = gemm.n - (first_n + n);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int row = first_m + m + i;
    if (row >= gemm.m || columns <= 0) continue;
    store_simt_row<kVector>(sums[i], bias == nullptr ? nullptr : bias + first_n + n, columns,
                            result + gemm.c.row(row) + first_n + n);
  }
}

}  // namespace whisker::inline v0_1::kernels::cuda
