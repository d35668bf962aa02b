// Matrix products: who computes them, and the kernel for floats without tensor cores; those on
// tensor cores are in matmul_mma.cu.
//
// matmul_simt_kernel: a block of 16 x 16 threads computes a tile of c, each thread a 4 x 4 piece of
// every 64 x 64 quarter of it. Operands go through shared memory in steps of kStepK along k, the
// next step being read into registers while the present one is used.
#include <limits>
#include <type_traits>

#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/matmul_choice.h>
#include <whisker/kernels/cuda/matmul_plan.h>
#include <whisker/kernels/cuda/sum_parts.h>
#include <whisker/kernels/cuda/vector.cuh>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/matmul.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kThreads = 256, kSide = 16;
constexpr int kPiece = 4;    // of a thread, per direction and 64 elements
constexpr int kPadding = 4;  // of shared rows, in elements: keeps float4 aligned
/// Depth of a tile along k: each thread moves four elements of either operand.
template <int kTile>
constexpr int kStepK = 4 * kThreads / kTile;

/// One operand seen as [size, k], k or the other index running contiguously.
struct Operand {
  const float* data;
  std::int64_t size, row, column;  // strides of the two indices, one of which is 1
};

/// Moves a [kTile, kStepK] tile of an operand; a thread takes kCount elements of it, neighbouring
/// threads being neighbours in memory.
template <int kTile>
class TileReader {
 public:
  static constexpr int kCount = 4;

  __device__ TileReader(const Operand& operand, std::int64_t first, std::int64_t k) {
    k_runs_ = operand.column == 1;
    const int thread = static_cast<int>(threadIdx.x);
    index_ = k_runs_ ? thread / kStepK<kTile> : thread % kTile;
    depth_ = k_runs_ ? thread % kStepK<kTile> : thread / kTile;
    const std::int64_t rest = operand.size - first;
    size_ = rest < kTile ? static_cast<int>(rest) : kTile;
    step_ = index_step() * operand.row + depth_step() * operand.column;
    next_ = operand.data + (first + index_) * operand.row + (k + depth_) * operand.column;
    k_step_ = kStepK<kTile> * operand.column;
  }
  /// Reads this thread's part of the next tile, `depths` deep; zeros outside of the matrix.
  __device__ void read(int depths, float (&values)[kCount]) {
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const bool inside = index_ + j * index_step() < size_ && depth_ + j * depth_step() < depths;
      values[j] = inside ? next_[j * step_] : 0.0f;
    }
    next_ += k_step_;
  }
  __device__ void keep(const float (&values)[kCount],
                       float (&tile)[kStepK<kTile>][kTile + kPadding]) const {
#pragma unroll
    for (int j = 0; j < kCount; ++j)
      tile[depth_ + j * depth_step()][index_ + j * index_step()] = values[j];
  }

 private:
  // From one of the thread's elements to the next.
  __device__ int index_step() const {
    return k_runs_ ? kThreads / kStepK<kTile> : 0;
  }
  __device__ int depth_step() const {
    return k_runs_ ? 0 : kThreads / kTile;
  }

  const float* next_;
  std::int64_t step_, k_step_;
  int index_, depth_, size_;
  bool k_runs_;
};

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
  WHISKER_SHARED(float, a_tile, [kStepK<kTile>][kTile + kPadding]);
  WHISKER_SHARED(float, b_tile, [kStepK<kTile>][kTile + kPadding]);
  const std::int64_t first_m = blockIdx.x / tiles_n * kTile, first_n = blockIdx.x % tiles_n * kTile;
  const std::int64_t begin = blockIdx.y * k_per_part;
  const std::int64_t end = begin + k_per_part < k ? begin + k_per_part : k;
  const int lane_m = static_cast<int>(threadIdx.x) / kSide;
  const int lane_n = static_cast<int>(threadIdx.x) % kSide;

  float sums[kPieces][kPieces] = {};
  float a_next[TileReader<kTile>::kCount], b_next[TileReader<kTile>::kCount];
  TileReader<kTile> a_reader(a, first_m, begin), b_reader(b, first_n, begin);
  int depths = static_cast<int>(end - begin);  // still to be read
  a_reader.read(depths, a_next);
  b_reader.read(depths, b_next);
  for (; depths > 0; depths -= kStepK<kTile>) {
    a_reader.keep(a_next, a_tile);
    b_reader.keep(b_next, b_tile);
    __syncthreads();
    a_reader.read(depths - kStepK<kTile>, a_next);
    b_reader.read(depths - kStepK<kTile>, b_next);
#pragma unroll 2
    for (int depth = 0; depth < kStepK<kTile>; ++depth) {
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
void matmul(Backend backend, const T* a, const T* b, T* c, const MatmulShape& s, Context& context) {
  const std::int64_t n = s.m * s.n;
  if (n == 0) return;
  if (s.k == 0) return fill(T(0.0f), c, n, context);
  if (backend == Backend::library) {
    if constexpr (cudnn::kWithCudnn)
      return cudnn::matmul(a, b, c, s, context);
    else
      throw Error("matmul: this build has no cuBLAS");
  }
  const MatmulPlan plan = choose_matmul_plan(s);
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  check<ShapeError>(plan.k_per_part <= kMost && plan.tiles_m * plan.tiles_n <= kMost, "matmul: [",
                    s.m, ",", s.k, "] x [", s.k, ",", s.n,
                    "] is more than one launch can count; multiply it in pieces");
  if (plan.parts == 1) return launch_product(a, b, {.c = c}, s, plan, context);
  const Buffer buffer = context.allocate(static_cast<std::size_t>(plan.parts * n) * sizeof(float));
  auto* parts = reinterpret_cast<float*>(buffer.get());
  launch_product(a, b, {.parts = parts}, s, plan, context);
  sum_parts(parts, c, n, static_cast<int>(plan.parts), context);
}

template <class T>
void matmul(const T* a, const T* b, T* c, const MatmulShape& s, Context& context) {
  matmul(select_matmul_backend(s, matmul_facts(context, a, b), context), a, b, c, s, context);
}

#define WHISKER_INSTANTIATE(T)                                                            \
  template void matmul<T>(Backend, const T*, const T*, T*, const MatmulShape&, Context&); \
  template void matmul<T>(const T*, const T*, T*, const MatmulShape&, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cuda
