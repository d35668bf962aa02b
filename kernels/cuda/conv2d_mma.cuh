// Convolutions on tensor cores: implicit GEMM with mma.sync for bfloat16 and TF32, sums in float.
//
// A block computes one tile of c. All its threads bring tiles of a and b into a ring of shared
// memory stages with cp.async, `stages - 1` ahead of the warps, which read them as fragments.
// Wants channel counts that make 16-byte chunks of one tap, and 16-byte aligned pointers. Sums run
// over k in ascending order, whatever the launch. c is overwritten.
#pragma once

#include <bit>
#include <type_traits>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/cuda/conv2d_tile.h>
#include <whisker/kernels/cuda/gpu.h>

namespace whisker::inline v0_1::kernels::cuda {

// ------------------------------------------------------------------------------- device helpers

/// One thread's share in copying an operand's tiles to shared memory.
template <class Operand, class T, class Tile>
class MmaLoader {
 public:
  __device__ MmaLoader(const Operand& operand, const T* data, int first_mn, int mn_size)
      : operand_(operand), data_(data) {
    const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < kMnCount; ++i) {
      const int mn = first_mn + (kAlongK ? Tile::row(thread, i) : column());
      mn_[i] = operand.mn(mn);
      inside_[i] = mn < mn_size;
    }
  }

  /// Starts copying the tile at first_k; what is at or beyond k_end, or outside, becomes zero.
  __device__ __forceinline__ void copy(int first_k, int k_end, unsigned char* tile) const {
    const int thread = static_cast<int>(threadIdx.x);
    if constexpr (kAlongK) {
      const int k = first_k + column();
      const typename Operand::K at = operand_.k(k);
#pragma unroll
      for (int pass = 0; pass < Tile::kPasses; ++pass)
        copy_chunk(pass, k < k_end && inside_[pass], mn_[pass], at, tile);
    } else {
#pragma unroll
      for (int pass = 0; pass < Tile::kPasses; ++pass) {
        const int k = first_k + Tile::row(thread, pass);
        copy_chunk(pass, k < k_end && inside_[0], mn_[0], operand_.k(k), tile);
      }
    }
  }

 private:
  static constexpr bool kAlongK = Operand::kMajor == Major::k;
  static constexpr int kMnCount = kAlongK ? Tile::kPasses : 1;

  static __device__ int column() {
    return Tile::chunk(static_cast<int>(threadIdx.x)) * Tile::kChunk;
  }

  __device__ __forceinline__ void copy_chunk(int pass, bool inside, const typename Operand::Mn& mn,
                                             const typename Operand::K& k,
                                             unsigned char* tile) const {
    const int thread = static_cast<int>(threadIdx.x);
    const std::int64_t offset = inside ? operand_.offset(mn, k) : kOutside;
    ptx::cp_async_16(tile + Tile::offset(Tile::row(thread, pass), Tile::chunk(thread)),
                     data_ + (offset == kOutside ? 0 : offset), offset != kOutside);
  }

  const Operand& operand_;
  const T* data_;
  typename Operand::Mn mn_[kMnCount];
  bool inside_[kMnCount];
};

/// Reads the fragment of 16 indices from first + mn by one step of k; see OperandTile for its
/// order. `first` is a multiple of kMultiple; mn and step are constants of unrolled loops.
template <class T, Major kMajor, class Tile, int kMultiple>
__device__ __forceinline__ void load_fragment(const unsigned char* tile, int first, int mn,
                                              int step, std::uint32_t (&fragment)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (kMultiple % Tile::kPeriod == 0)
    tile += first * Tile::kMnBytes;  // what is left of the address differs by constants only
  else
    mn += first;
  if constexpr (!Tile::kByLdmatrix) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      fragment[i] =
          *reinterpret_cast<const std::uint32_t*>(tile + Tile::element(lane, mn, step, i));
  } else if constexpr (kMajor == Major::k) {
    ptx::ldmatrix_x4(fragment, tile + Tile::matrix_row(lane, mn, step));
  } else {
    ptx::ldmatrix_x4_trans(fragment, tile + Tile::matrix_row(lane, mn, step));
  }
  if constexpr (std::is_same_v<T, float>) {  // mma.sync would cut the bits off
#pragma unroll
    for (int i = 0; i < 4; ++i)
      fragment[i] = ptx::to_tf32(std::bit_cast<float>(fragment[i]));
  }
}

template <class T>
__device__ __forceinline__ void multiply_fragments(const std::uint32_t (&a)[4],
                                                   const std::uint32_t (&b)[2], float (&d)[4]) {
  if constexpr (std::is_same_v<T, float>)
    ptx::mma_m16n8k8_tf32(d, a, b);
  else
    ptx::mma_m16n8k16_bf16(d, a, b);
}

/// What a lane adds to its columns of two neighbouring 8-column blocks of c: 2 (lane % 4) and the
/// next of each. A null bias is zeros.
struct ColumnBias {
  float left[2], right[2];

  __device__ __forceinline__ ColumnBias(const float* __restrict__ bias, int first, int columns) {
    const int column = first + static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      left[i] = bias != nullptr && column + i < columns ? bias[column + i] : 0.0f;
      right[i] = bias != nullptr && column + 8 + i < columns ? bias[column + 8 + i] : 0.0f;
    }
  }
};

/// Writes row lane / 4 + 8 * half of two neighbouring 8-column blocks of mma.sync. c points at the
/// first of the 16 columns, of which `columns` (a multiple of 4) are inside. All 32 lanes call it.
__device__ __forceinline__ void store_row(const ColumnBias& bias, const float (&left)[4],
                                          const float (&right)[4], int half, bool inside,
                                          int columns, float* c) {
  const int column = static_cast<int>(threadIdx.x) % 4 * 2, i = half * 2;
  if (inside && column < columns)
    *reinterpret_cast<float2*>(c + column) =
        make_float2(left[i] + bias.left[0], left[i + 1] + bias.left[1]);
  if (inside && column + 8 < columns)
    *reinterpret_cast<float2*>(c + column + 8) =
        make_float2(right[i] + bias.right[0], right[i + 1] + bias.right[1]);
}

__device__ __forceinline__ void store_row(const ColumnBias& bias, const float (&left)[4],
                                          const float (&right)[4], int half, bool inside,
                                          int columns, bfloat16* c) {
  // Neighbours trade halves: even lanes get 4 columns of the left block, odd ones of the right, so
  // that four lanes write a whole 32-byte sector.
  const int i = half * 2;
  const std::uint32_t low = ptx::to_bfloat16x2(left[i] + bias.left[0], left[i + 1] + bias.left[1]);
  const std::uint32_t high =
      ptx::to_bfloat16x2(right[i] + bias.right[0], right[i + 1] + bias.right[1]);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const bool odd = lane % 2 != 0;
  const std::uint32_t other = __shfl_xor_sync(0xFFFFFFFFu, odd ? low : high, 1);
  const int column = (odd ? 8 : 0) + lane % 4 / 2 * 4;
  if (inside && column < columns)
    *reinterpret_cast<uint2*>(c + column) = odd ? make_uint2(other, high) : make_uint2(low, other);
}

// -------------------------------------------------------------------------------------- kernel

template <int kTile>
inline constexpr int kMmaThreads = kMmaTiles[kTile].threads();

/// c[m, n] = bias[n] + sum over the split's k of a[m, k] b[k, n]; split z goes to c + z * pitch.
template <class Gemm, int kTile, class T, class TC>
__global__ void __launch_bounds__(kMmaThreads<kTile>, kMmaTiles[kTile].blocks)
    conv2d_mma_kernel(const T* __restrict__ a, const T* __restrict__ b,
                      const float* __restrict__ bias, TC* __restrict__ c, std::int64_t split_pitch,
                      const __grid_constant__ GemmGroup<Gemm> group) {
  constexpr MmaTile kSizes = kMmaTiles[kTile];
  constexpr int kFragmentsM = kSizes.warp_m / 16, kFragmentsN = kSizes.warp_n / 16;
  constexpr Major kMajorA = Gemm::A::kMajor, kMajorB = Gemm::B::kMajor;
  using TileA = OperandTile<T, kMajorA, kSizes.block_m, kMmaThreads<kTile>>;
  using TileB = OperandTile<T, kMajorB, kSizes.block_n, kMmaThreads<kTile>>;
  constexpr int kBlockK = TileA::kBlockK;
  // Fragments that are read word by word leave no registers for two steps at once.
  [[maybe_unused]] constexpr int kUnrolledSteps = TileA::kByLdmatrix && TileB::kByLdmatrix ? 2 : 1;

  WHISKER_DYNAMIC_SHARED(shared);
  const auto tile = group.tile(static_cast<int>(blockIdx.x));
  const Gemm& gemm = group.gemms[tile.gemm];
  const int first_m = tile.m * kSizes.block_m, first_n = tile.n * kSizes.block_n;
  const KRange range =
      split_k(gemm.k, kBlockK, static_cast<int>(gridDim.z), static_cast<int>(blockIdx.z));
  const MmaLoader<typename Gemm::A, T, TileA> load_a(gemm.a, a, first_m, gemm.m);
  const MmaLoader<typename Gemm::B, T, TileB> load_b(gemm.b, b, first_n, gemm.n);
  const auto start_copy = [&](int k, unsigned char* stage) {
    // An empty group keeps the count of groups in step with the count of stages.
    if (k < range.end) {
      load_a.copy(k, range.end, stage);
      load_b.copy(k, range.end, stage + TileA::kBytes);
    }
    ptx::cp_async_commit();
  };

  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warp_m = warp / kSizes.warps_n() * kSizes.warp_m;
  const int warp_n = warp % kSizes.warps_n() * kSizes.warp_n;
  float sums[kFragmentsM][2 * kFragmentsN][4] = {};

  constexpr int kAhead = kSizes.stages - 1;
#pragma unroll
  for (int i = 0; i < kAhead; ++i)
    start_copy(range.begin + i * kBlockK, shared + i * kSizes.stage_bytes());
  int at = 0;  // the stage to be read, in bytes
#pragma unroll 1
  for (int k = range.begin; k < range.end; k += kBlockK) {
    ptx::cp_async_wait<kAhead - 1>();
    // Everybody's part of this stage has come, and nobody reads the stage before it any more: the
    // next copy goes there.
    __syncthreads();
    const int before = (at == 0 ? kSizes.shared_bytes() : at) - kSizes.stage_bytes();
    start_copy(k + kAhead * kBlockK, shared + before);
    const unsigned char* stage = shared + at;
    at = at + kSizes.stage_bytes() == kSizes.shared_bytes() ? 0 : at + kSizes.stage_bytes();
#pragma unroll(kUnrolledSteps)
    for (int step = 0; step < kMmaBlockKBytes / kMmaStepBytes; ++step) {
      std::uint32_t columns[kFragmentsN][4];
#pragma unroll
      for (int j = 0; j < kFragmentsN; ++j)
        load_fragment<T, kMajorB, TileB, kSizes.warp_n>(stage + TileA::kBytes, warp_n, j * 16, step,
                                                        columns[j]);
#pragma unroll
      for (int i = 0; i < kFragmentsM; ++i) {
        std::uint32_t rows[4];
        load_fragment<T, kMajorA, TileA, kSizes.warp_m>(stage, warp_m, i * 16, step, rows);
#pragma unroll
        for (int j = 0; j < 2 * kFragmentsN; ++j)
          multiply_fragments<T>(rows, {columns[j / 2][j % 2], columns[j / 2][j % 2 + 2]},
                                sums[i][j]);
      }
    }
  }
  ptx::cp_async_wait<0>();

  TC* result = c + blockIdx.z * split_pitch;
#pragma unroll
  for (int j = 0; j < kFragmentsN; ++j) {
    const int n = first_n + warp_n + j * 16;
    const ColumnBias offset(bias, n, gemm.n);
#pragma unroll
    for (int i = 0; i < 2 * kFragmentsM; ++i) {
      const int m = first_m + warp_m + i * 8 + lane / 4;
      store_row(offset, sums[i / 2][2 * j], sums[i / 2][2 * j + 1], i % 2, m < gemm.m, gemm.n - n,
                result + gemm.c.row(m) + n);
    }
  }
}

}  // namespace whisker::inline v0_1::kernels::cuda
