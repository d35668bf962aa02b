// Matrix products: the choice of a kernel, the one for floats without tensor cores, and the sum
// over parts of k. The tensor core kernels are in matmul_mma.cu.
//
// matmul_simt_kernel: a block of 16 x 16 threads computes a tile of c, each thread a 4 x 4 piece of
// every 64 x 64 quarter of it. Operands go through shared memory in steps of kStepK along k, the
// next step being read into registers while the present one is used.
#include <type_traits>

#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/matmul_plan.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kThreads = 256, kSide = 16, kStepK = 16;
constexpr int kPiece = 4;    // of a thread, per direction and 64 elements
constexpr int kPadding = 4;  // of shared rows, in elements: keeps float4 aligned

/// One operand seen as [size, k], k or the other index running contiguously.
struct Operand {
  const float* data;
  std::int64_t size, row, column;  // strides of the two indices, one of which is 1

  __device__ bool k_runs() const { return column == 1; }
};

/// What one thread moves of a [kTile, kStepK] tile: element j is (index(j), depth(j)).
template <int kTile>
struct TileSlots {
  static constexpr int kCount = kTile * kStepK / kThreads;
  bool k_runs;  // neighbouring threads then take neighbouring k

  __device__ int index(int j) const {
    const int i = j * kThreads + static_cast<int>(threadIdx.x);
    return k_runs ? i / kStepK : i % kTile;
  }
  __device__ int depth(int j) const {
    const int i = j * kThreads + static_cast<int>(threadIdx.x);
    return k_runs ? i % kStepK : i / kTile;
  }
};

template <int kTile>
__device__ __forceinline__ void read_tile(const Operand& operand, std::int64_t first,
                                          std::int64_t k, std::int64_t k_end,
                                          float (&values)[TileSlots<kTile>::kCount]) {
  const TileSlots<kTile> slots{operand.k_runs()};
#pragma unroll
  for (int j = 0; j < slots.kCount; ++j) {
    const std::int64_t i = first + slots.index(j), depth = k + slots.depth(j);
    values[j] = i < operand.size && depth < k_end
                    ? operand.data[i * operand.row + depth * operand.column]
                    : 0.0f;
  }
}

template <int kTile>
__device__ __forceinline__ void keep_tile(const Operand& operand,
                                          const float (&values)[TileSlots<kTile>::kCount],
                                          float (&tile)[kStepK][kTile + kPadding]) {
  const TileSlots<kTile> slots{operand.k_runs()};
#pragma unroll
  for (int j = 0; j < slots.kCount; ++j)
    tile[slots.depth(j)][slots.index(j)] = values[j];
}

/// The elements of one k that a thread multiplies: 4 of every 64.
template <int kTile>
__device__ __forceinline__ void read_piece(const float (&row)[kTile + kPadding], int lane,
                                           float (&piece)[kTile / kSide]) {
#pragma unroll
  for (int quarter = 0; quarter < kTile / 64; ++quarter) {
    const auto values = load_vector<kPiece>(&row[quarter * 64 + lane * kPiece]);
#pragma unroll
    for (int i = 0; i < kPiece; ++i)
      piece[quarter * kPiece + i] = values.values[i];
  }
}

template <int kTile>
__global__ void __launch_bounds__(kThreads, 2)
    matmul_simt_kernel(Operand a, Operand b, float* c, std::int64_t k, std::int64_t k_per_part,
                       std::int64_t tiles_n) {
  constexpr int kPieces = kTile / kSide;
  WHISKER_SHARED(float, a_tile, [kStepK][kTile + kPadding]);
  WHISKER_SHARED(float, b_tile, [kStepK][kTile + kPadding]);
  const std::int64_t first_m = blockIdx.x / tiles_n * kTile, first_n = blockIdx.x % tiles_n * kTile;
  const std::int64_t begin = blockIdx.y * k_per_part;
  const std::int64_t end = begin + k_per_part < k ? begin + k_per_part : k;
  const int lane_m = static_cast<int>(threadIdx.x) / kSide;
  const int lane_n = static_cast<int>(threadIdx.x) % kSide;

  float sums[kPieces][kPieces] = {};
  float a_next[TileSlots<kTile>::kCount], b_next[TileSlots<kTile>::kCount];
  read_tile<kTile>(a, first_m, begin, end, a_next);
  read_tile<kTile>(b, first_n, begin, end, b_next);
  for (std::int64_t step = begin; step < end; step += kStepK) {
    keep_tile<kTile>(a, a_next, a_tile);
    keep_tile<kTile>(b, b_next, b_tile);
    __syncthreads();
    read_tile<kTile>(a, first_m, step + kStepK, end, a_next);
    read_tile<kTile>(b, first_n, step + kStepK, end, b_next);
#pragma unroll
    for (int depth = 0; depth < kStepK; ++depth) {
      float a_piece[kPieces], b_piece[kPieces];
      read_piece<kTile>(a_tile[depth], lane_m, a_piece);
      read_piece<kTile>(b_tile[depth], lane_n, b_piece);
#pragma unroll
      for (int i = 0; i < kPieces; ++i)
#pragma unroll
        for (int j = 0; j < kPieces; ++j)
          sums[i][j] += a_piece[i] * b_piece[j];
    }
    __syncthreads();  // before the tiles are overwritten
  }

  c += blockIdx.y * a.size * b.size;
#pragma unroll
  for (int i = 0; i < kPieces; ++i)
#pragma unroll
    for (int j = 0; j < kPieces; ++j) {
      const std::int64_t m = first_m + i / kPiece * 64 + lane_m * kPiece + i % kPiece;
      const std::int64_t n = first_n + j / kPiece * 64 + lane_n * kPiece + j % kPiece;
      if (m < a.size && n < b.size) c[m * b.size + n] = sums[i][j];
    }
}

void launch_matmul_simt(const float* a, const float* b, float* c, const MatmulShape& s,
                        const MatmulPlan& plan, Context& context) {
  const Operand left{a, s.m, s.transpose_a ? 1 : s.k, s.transpose_a ? s.m : 1};
  const Operand right{b, s.n, s.transpose_b ? s.k : 1, s.transpose_b ? 1 : s.n};
  const LaunchConfig config(
      "matmul_simt",
      dim3(static_cast<unsigned>(plan.tiles_m * plan.tiles_n), static_cast<unsigned>(plan.parts)),
      kThreads, context.stream);
  if (plan.tile == 128)
    return launch(config, matmul_simt_kernel<128>, left, right, c, s.k, plan.k_per_part,
                  plan.tiles_n);
  launch(config, matmul_simt_kernel<64>, left, right, c, s.k, plan.k_per_part, plan.tiles_n);
}

/// c = the sum of the partial products [parts, n], in order.
template <class T>
__global__ void __launch_bounds__(kElementwiseBlock)
    matmul_sum_parts_kernel(const float* products, T* c, std::int64_t parts, std::int64_t n) {
  const std::int64_t threads = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += threads) {
    float sum = products[i];
    for (std::int64_t part = 1; part < parts; ++part)
      sum += products[part * n + i];
    c[i] = T(sum);
  }
}

template <class T>
void launch_product(const T* a, const T* b, const MatmulOutput<T>& output, const MatmulShape& s,
                    const MatmulPlan& plan, Context& context) {
  if constexpr (std::is_same_v<T, float>) {
    if (!context.tf32)
      return launch_matmul_simt(a, b, output.parts != nullptr ? output.parts : output.c, s, plan,
                                context);
  }
  launch_matmul_mma(a, b, output, s, plan, context);
}

}  // namespace

template <class T>
void matmul(const T* a, const T* b, T* c, const MatmulShape& s, Context& context) {
  const std::int64_t n = s.m * s.n;
  if (n == 0) return;
  if (s.k == 0) return fill(T(0.0f), c, n, context);
  const MatmulPlan plan = choose_matmul_plan(s);
  if (plan.parts == 1) return launch_product(a, b, {.c = c}, s, plan, context);
  const Buffer buffer = context.allocate(static_cast<std::size_t>(plan.parts * n) * sizeof(float));
  auto* parts = reinterpret_cast<float*>(buffer.get());
  launch_product(a, b, {.parts = parts}, s, plan, context);
  const LaunchConfig config("matmul_sum_parts", elementwise_grid(n, context), kElementwiseBlock,
                            context.stream);
  launch(config, matmul_sum_parts_kernel<T>, parts, c, plan.parts, n);
}

template void matmul<float>(const float*, const float*, float*, const MatmulShape&, Context&);
template void matmul<bfloat16>(const bfloat16*, const bfloat16*, bfloat16*, const MatmulShape&,
                               Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
