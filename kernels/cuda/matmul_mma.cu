// Matrix products on tensor cores with mma.sync: bfloat16 (m16n8k16) and float rounded to TF32
// (m16n8k8), accumulated in float.
//
// A block computes a kTile x kTile tile of c with 2 x kTile / 32 warps, each a kTile / 2 x 32 part.
// Operands reach shared memory in a pipeline of kStages steps of 64 bytes along k, by cp.async
// where rows are 16-byte aligned and element by element where not, in the order in which they lie
// in global memory: k running along a row ("k-major") or across the rows. Rows are padded so that
// neither ldmatrix nor the reads of single floats meet bank conflicts. docs/kernels/matmul.md.
#include <type_traits>

#include <whisker/kernels/cuda/block_reduce.cuh>
#include <whisker/kernels/cuda/matmul_plan.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kStages = 3;
constexpr int kWarpN = 32;  // columns of c per warp

/// The kTile x kStepK tile of one operand in shared memory.
template <class T, int kTile, bool kKMajor>
struct SharedTile {
  static constexpr int kStepK = 64 / static_cast<int>(sizeof(T));
  static constexpr int kChunk = kVectorWidth<T>;  // elements that are copied together
  static constexpr int kRows = kKMajor ? kTile : kStepK, kColumns = kKMajor ? kStepK : kTile;
  // 16 bytes make the row pitch an odd number of 16-byte units; floats across k want 8 banks.
  static constexpr int kPitch = kColumns + (sizeof(T) == 4 && !kKMajor ? 8 : kChunk);
  static constexpr int kElements = kRows * kPitch;

  /// The place of element `i` of the tile at depth `k`.
  static __device__ __forceinline__ int at(int i, int k) {
    return kKMajor ? i * kPitch + k : k * kPitch + i;
  }
};

/// One operand in global memory: [size, k] if k-major, else [k, size].
template <class T>
struct MmaOperand {
  const T* data;
  std::int64_t size;
  bool aligned;  // data and all rows, to 16 bytes
};

/// Starts the copy of the tile whose corner is (first, k_first); outside of the matrix it is zero.
template <int kTile, int kThreads, bool kKMajor, class T>
__device__ __forceinline__ void copy_tile(const MmaOperand<T>& operand, std::int64_t first,
                                          std::int64_t k_first, std::int64_t k, T* shared) {
  using Tile = SharedTile<T, kTile, kKMajor>;
  constexpr int kChunksPerRow = Tile::kColumns / Tile::kChunk;
  constexpr int kCopies = Tile::kRows * kChunksPerRow / kThreads;
  static_assert(Tile::kRows * kChunksPerRow % kThreads == 0);
  const std::int64_t rows = kKMajor ? operand.size : k, columns = kKMajor ? k : operand.size;
  const std::int64_t row_first = kKMajor ? first : k_first,
                     column_first = kKMajor ? k_first : first;
#pragma unroll
  for (int i = 0; i < kCopies; ++i) {
    const int chunk = i * kThreads + static_cast<int>(threadIdx.x);
    const int row = chunk / kChunksPerRow, column = chunk % kChunksPerRow * Tile::kChunk;
    const std::int64_t from_row = row_first + row, from_column = column_first + column;
    const bool inside = from_row < rows && from_column < columns;
    const T* from = inside ? operand.data + from_row * columns + from_column : operand.data;
    T* to = shared + row * Tile::kPitch + column;
    if (operand.aligned) {
      ptx::cp_async_16(to, from, inside);
      continue;
    }
    Vector<T, Tile::kChunk> elements;
#pragma unroll
    for (int j = 0; j < Tile::kChunk; ++j)
      elements.values[j] = inside && from_column + j < columns ? from[j] : T(0.0f);
    *reinterpret_cast<Vector<T, Tile::kChunk>*>(to) = elements;
  }
}

/// The registers of a (16 x one mma's k) at row `i`, depth `k` of the tile.
template <int kTile, bool kKMajor>
__device__ __forceinline__ void load_a(const bfloat16* tile, int i, int k, std::uint32_t (&r)[4]) {
  using Tile = SharedTile<bfloat16, kTile, kKMajor>;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  if constexpr (kKMajor)
    ptx::ldmatrix_x4(r, tile + Tile::at(i + lane % 16, k + lane / 16 * 8));
  else
    ptx::ldmatrix_x4_trans(r, tile + Tile::at(i + lane / 8 % 2 * 8, k + lane % 8 + lane / 16 * 8));
}

template <int kTile, bool kKMajor>
__device__ __forceinline__ void load_a(const float* tile, int i, int k, std::uint32_t (&r)[4]) {
  using Tile = SharedTile<float, kTile, kKMajor>;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize, row = lane / 4, column = lane % 4;
#pragma unroll
  for (int q = 0; q < 4; ++q)
    r[q] = ptx::to_tf32(tile[Tile::at(i + row + q % 2 * 8, k + column + q / 2 * 4)]);
}

/// The registers of two neighbouring b (one mma's k x 8) from column `i`, depth `k` of the tile.
template <int kTile, bool kKMajor>
__device__ __forceinline__ void load_b(const bfloat16* tile, int i, int k,
                                       std::uint32_t (&r)[2][2]) {
  using Tile = SharedTile<bfloat16, kTile, kKMajor>;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  std::uint32_t both[4];
  if constexpr (kKMajor)
    ptx::ldmatrix_x4(both, tile + Tile::at(i + lane % 8 + lane / 16 * 8, k + lane / 8 % 2 * 8));
  else
    ptx::ldmatrix_x4_trans(both, tile + Tile::at(i + lane / 16 * 8, k + lane % 16));
#pragma unroll
  for (int q = 0; q < 4; ++q)
    r[q / 2][q % 2] = both[q];
}

template <int kTile, bool kKMajor>
__device__ __forceinline__ void load_b(const float* tile, int i, int k, std::uint32_t (&r)[2][2]) {
  using Tile = SharedTile<float, kTile, kKMajor>;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize, column = lane / 4, row = lane % 4;
#pragma unroll
  for (int q = 0; q < 4; ++q)
    r[q / 2][q % 2] = ptx::to_tf32(tile[Tile::at(i + column + q / 2 * 8, k + row + q % 2 * 4)]);
}

__device__ __forceinline__ void multiply(float (&d)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2], bfloat16) {
  ptx::mma_m16n8k16_bf16(d, a, b);
}
__device__ __forceinline__ void multiply(float (&d)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2], float) {
  ptx::mma_m16n8k8_tf32(d, a, b);
}

/// Adds the product of two shared tiles to a warp's sums.
template <int kTile, bool kAKMajor, bool kBKMajor, class T>
__device__ __forceinline__ void multiply_tiles(const T* a_tile, const T* b_tile, int warp_m,
                                               int warp_n, float (&sums)[kTile / 32][4][4]) {
  constexpr int kMmaK = 32 / static_cast<int>(sizeof(T)), kRows = kTile / 32;
#pragma unroll
  for (int k = 0; k < SharedTile<T, kTile, true>::kStepK; k += kMmaK) {
    std::uint32_t a[kRows][4], b[4][2];
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      load_a<kTile, kAKMajor>(a_tile, warp_m * kTile / 2 + i * 16, k, a[i]);
#pragma unroll
    for (int j = 0; j < 4; j += 2) {
      std::uint32_t pair[2][2];
      load_b<kTile, kBKMajor>(b_tile, warp_n * kWarpN + j * 8, k, pair);
#pragma unroll
      for (int q = 0; q < 4; ++q)
        b[j + q / 2][q % 2] = pair[q / 2][q % 2];
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j)
        multiply(sums[i][j], a[i], b[j], T{});
  }
}

/// Writes two neighbouring columns of a matrix [rows, columns] from row m, column n on.
template <class Out>
__device__ __forceinline__ void store_pair(const Vector<float, 2>& pair, Out* matrix,
                                           std::int64_t m, std::int64_t n, std::int64_t rows,
                                           std::int64_t columns, bool aligned) {
  if (m >= rows || n >= columns) return;
  Out* to = matrix + m * columns + n;
  if (aligned) return store_vector<2>(pair, to);
  to[0] = Out(pair.values[0]);
  if (n + 1 < columns) to[1] = Out(pair.values[1]);
}

template <int kTile>
constexpr int kMmaThreads = kTile / kWarpN * 2 * kWarpSize;

template <class T, int kTile, bool kAKMajor, bool kBKMajor>
constexpr std::size_t kMmaSharedBytes = kStages * sizeof(T) *
                                        (SharedTile<T, kTile, kAKMajor>::kElements +
                                         SharedTile<T, kTile, kBKMajor>::kElements);

template <class T, int kTile, bool kAKMajor, bool kBKMajor>
__global__ void __launch_bounds__(kMmaThreads<kTile>)
    matmul_mma_kernel(MmaOperand<T> a, MmaOperand<T> b, MatmulOutput<T> output, std::int64_t k,
                      std::int64_t k_per_part, std::int64_t tiles_n) {
  using ATile = SharedTile<T, kTile, kAKMajor>;
  using BTile = SharedTile<T, kTile, kBKMajor>;
  constexpr int kThreads = kMmaThreads<kTile>, kStepK = ATile::kStepK;
  WHISKER_DYNAMIC_SHARED(shared);
  T* const a_tiles = reinterpret_cast<T*>(shared);
  T* const b_tiles = a_tiles + kStages * ATile::kElements;
  const std::int64_t first_m = blockIdx.x / tiles_n * kTile, first_n = blockIdx.x % tiles_n * kTile;
  const std::int64_t begin = blockIdx.y * k_per_part;
  const std::int64_t end = begin + k_per_part < k ? begin + k_per_part : k;
  const auto steps = static_cast<int>(ceil_div(end - begin, kStepK));
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int warp_m = warp % 2, warp_n = warp / 2;

  const auto start_copy = [&](int step) {
    if (step < steps) {
      const int stage = step % kStages;
      const std::int64_t k_first = begin + std::int64_t{step} * kStepK;
      copy_tile<kTile, kThreads, kAKMajor>(a, first_m, k_first, k,
                                           a_tiles + stage * ATile::kElements);
      copy_tile<kTile, kThreads, kBKMajor>(b, first_n, k_first, k,
                                           b_tiles + stage * BTile::kElements);
    }
    ptx::cp_async_commit();  // also without copies: waits count groups
  };
#pragma unroll
  for (int step = 0; step < kStages - 1; ++step)
    start_copy(step);
  float sums[kTile / 32][4][4] = {};
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<kStages - 2>();
    // Everybody's copies of this step have landed, and the stage of the last step has been used.
    __syncthreads();
    start_copy(step + kStages - 1);
    const int stage = step % kStages;
    multiply_tiles<kTile, kAKMajor, kBKMajor>(a_tiles + stage * ATile::kElements,
                                              b_tiles + stage * BTile::kElements, warp_m, warp_n,
                                              sums);
  }

  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
#pragma unroll
  for (int i = 0; i < kTile / 32; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const std::int64_t m = first_m + warp_m * kTile / 2 + i * 16 + half * 8 + lane / 4;
        const std::int64_t n = first_n + warp_n * kWarpN + j * 8 + lane % 4 * 2;
        const Vector<float, 2> pair{{sums[i][j][half * 2], sums[i][j][half * 2 + 1]}};
        if (output.parts != nullptr)
          store_pair(pair, output.parts + blockIdx.y * a.size * b.size, m, n, a.size, b.size,
                     output.in_pairs);
        else
          store_pair(pair, output.c, m, n, a.size, b.size, output.in_pairs);
      }
}

template <int kTile, bool kAKMajor, bool kBKMajor, class T>
void launch_tile(const MmaOperand<T>& a, const MmaOperand<T>& b, const MatmulOutput<T>& output,
                 const MatmulShape& s, const MatmulPlan& plan, Context& context) {
  const LaunchConfig config(
      "matmul_mma",
      dim3(static_cast<unsigned>(plan.tiles_m * plan.tiles_n), static_cast<unsigned>(plan.parts)),
      kMmaThreads<kTile>, context.stream, kMmaSharedBytes<T, kTile, kAKMajor, kBKMajor>);
  launch(config, matmul_mma_kernel<T, kTile, kAKMajor, kBKMajor>, a, b, output, s.k,
         plan.k_per_part, plan.tiles_n);
}

/// Calls body with `value` as a constant.
template <class Body>
void dispatch_bool(bool value, const Body& body) {
  if (value)
    body(std::true_type{});
  else
    body(std::false_type{});
}

}  // namespace

template <class T>
void launch_matmul_mma(const T* a, const T* b, const MatmulOutput<T>& output, const MatmulShape& s,
                       const MatmulPlan& plan, Context& context) {
  constexpr int kChunk = kVectorWidth<T>;
  const auto operand = [&](const T* data, std::int64_t size, bool k_major) {
    const bool aligned = aligned_for<kChunk>(data) && (k_major ? s.k : size) % kChunk == 0;
    return MmaOperand<T>{data, size, aligned};
  };
  MatmulOutput<T> to = output;
  to.in_pairs = s.n % 2 == 0 && aligned_for<2>(output.c);
  dispatch_bool(!s.transpose_a, [&](auto a_k_major) {
    dispatch_bool(s.transpose_b, [&](auto b_k_major) {
      const MmaOperand<T> left = operand(a, s.m, a_k_major), right = operand(b, s.n, b_k_major);
      if (plan.tile == 128)
        return launch_tile<128, a_k_major, b_k_major>(left, right, to, s, plan, context);
      launch_tile<64, a_k_major, b_k_major>(left, right, to, s, plan, context);
    });
  });
}

template void launch_matmul_mma<float>(const float*, const float*, const MatmulOutput<float>&,
                                       const MatmulShape&, const MatmulPlan&, Context&);
template void launch_matmul_mma<bfloat16>(const bfloat16*, const bfloat16*,
                                          const MatmulOutput<bfloat16>&, const MatmulShape&,
                                          const MatmulPlan&, Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
