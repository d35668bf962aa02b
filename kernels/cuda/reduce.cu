// Sums over the middle of [outer, reduce, inner], accumulated in double in an order that the shape
// alone fixes. Where one block per sum would leave the device idle, blocks sum parts, and a second
// launch adds these: the parts of [outer, reduce, inner] are [outer, parts, inner].
//
//   inner > 1        column_sum_kernel: see row_tiles.cuh
//   inner == 1       row_sum_kernel: one block per part of a row
//   short rows       warp_row_sum_kernel: one warp per row
#include <algorithm>

#include <whisker/kernels/cuda/block_reduce.cuh>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/row_tiles.cuh>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kRowBlock = 256;             // threads
constexpr std::int64_t kShortRow = 512;    // elements
constexpr std::int64_t kRowPart = 8192;    // elements, at most unless there are many
constexpr std::int64_t kMostBlocks = 512;  // more do not make a reduction faster

struct RowParts {
  std::int64_t reduce, parts, part;  // part: elements of one
};

/// y [outer, parts]: block b sums part b % parts of row b / parts.
template <class In, class Out>
__global__ void __launch_bounds__(kRowBlock)
    row_sum_kernel(const In* x, Out* y, std::int64_t outer, RowParts rows, bool aligned) {
  WHISKER_SHARED(double, scratch, [kRowBlock / kWarpSize]);
  constexpr int kCount = kVectorWidth<In>;
  for (std::int64_t block = blockIdx.x; block < outer * rows.parts; block += gridDim.x) {
    const std::int64_t first = block % rows.parts * rows.part;
    const In* begin = x + block / rows.parts * rows.reduce + first;
    const std::int64_t rest = rows.reduce - first;
    const std::int64_t n = rest < rows.part ? rest : rows.part;
    const std::int64_t vectors = aligned ? n / kCount : 0;
    double sum = 0.0;
    for (std::int64_t i = threadIdx.x; i < vectors; i += kRowBlock) {
      const auto values = load_vector<kCount>(begin + i * kCount);
#pragma unroll
      for (int j = 0; j < kCount; ++j)
        sum += static_cast<double>(values.values[j]);
    }
    for (std::int64_t i = vectors * kCount + threadIdx.x; i < n; i += kRowBlock)
      sum += static_cast<double>(static_cast<compute_type<In>>(begin[i]));
    sum = block_sum<kRowBlock>(sum, scratch);
    if (threadIdx.x == 0) y[block] = static_cast<Out>(sum);
  }
}

/// y [outer]: one warp per row.
template <class In, class Out>
__global__ void __launch_bounds__(kRowBlock)
    warp_row_sum_kernel(const In* x, Out* y, std::int64_t outer, std::int64_t reduce) {
  constexpr int kWarps = kRowBlock / kWarpSize;
  const unsigned lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  for (std::int64_t row = std::int64_t{blockIdx.x} * kWarps + warp; row < outer;
       row += std::int64_t{gridDim.x} * kWarps) {
    double sum = 0.0;
    for (std::int64_t i = lane; i < reduce; i += kWarpSize)
      sum += static_cast<double>(static_cast<compute_type<In>>(x[row * reduce + i]));
    sum = warp_sum(sum);
    if (lane == 0) y[row] = static_cast<Out>(sum);
  }
}

/// y [outer, row_blocks, inner]: each block sums its rows of its columns.
template <int kCount, class In, class Out>
__global__ void __launch_bounds__(kRowTileThreads)
    column_sum_kernel(const In* x, Out* y, std::int64_t outer, RowTiles tiles) {
  WHISKER_SHARED(double, scratch, [kRowLanes][kTileColumns<kCount>]);
  for (std::int64_t o = blockIdx.z; o < outer; o += gridDim.z) {
    const In* matrix = x + o * tiles.elements();
    Out* sums = y + (o * tiles.row_blocks + blockIdx.y) * tiles.channels;
    double totals[kCount] = {};
    for_each_row<kCount>(tiles, blockIdx.y, [&](std::int64_t at, int first, auto count) {
      const auto values = load_vector<count>(matrix + at);
#pragma unroll
      for (int i = 0; i < count; ++i)
        totals[first + i] += static_cast<double>(values.values[i]);
    });
    __syncthreads();  // the previous round's scratch has been read
    combine_columns<kCount>(
        tiles, totals, scratch, [](double a, double b) { return a + b; },
        [&](std::int64_t channel, double sum) { sums[channel] = static_cast<Out>(sum); });
  }
}

template <int kCount, class In, class Out>
void launch_column_sum(const In* x, Out* y, std::int64_t outer, const RowTiles& tiles,
                       Context& context) {
  // As many blocks as the device holds at a time: they walk on to the next matrix.
  const std::int64_t blocks = std::int64_t{tiles.column_blocks} * tiles.row_blocks;
  const auto deep = std::clamp<std::int64_t>(8 * context.sm_count / blocks, 1, outer);
  const LaunchConfig config(
      "reduce_sum_columns",
      dim3(tiles.column_blocks, tiles.row_blocks, static_cast<unsigned>(deep)),
      dim3(kColumnLanes, kRowLanes), context.stream);
  launch(config, column_sum_kernel<kCount, In, Out>, x, y, outer, tiles);
}

template <int kCount, class T>
void sum_columns(const T* x, float* y, const ReduceShape& s, Context& context) {
  const RowTiles tiles =
      make_row_tiles<kCount>(s.reduce, s.inner, std::max<std::int64_t>(kMostBlocks / s.outer, 1));
  if (tiles.row_blocks == 1) return launch_column_sum<kCount>(x, y, s.outer, tiles, context);
  const Buffer buffer = context.allocate(
      static_cast<std::size_t>(s.outer * tiles.row_blocks * s.inner) * sizeof(double));
  auto* parts = reinterpret_cast<double*>(buffer.get());
  launch_column_sum<kCount>(x, parts, s.outer, tiles, context);
  launch_column_sum<1>(parts, y, s.outer, make_row_tiles<1>(tiles.row_blocks, s.inner, 1), context);
}

template <class In, class Out>
void launch_row_sum(const In* x, Out* y, std::int64_t outer, const RowParts& rows,
                    Context& context) {
  constexpr int kCount = kVectorWidth<In>;
  const bool aligned = aligned_for<kCount>(x) && (outer == 1 || rows.reduce % kCount == 0);
  const auto blocks =
      static_cast<unsigned>(std::min<std::int64_t>(outer * rows.parts, std::int64_t{1} << 30));
  const LaunchConfig config("reduce_sum_rows", blocks, kRowBlock, context.stream);
  launch(config, row_sum_kernel<In, Out>, x, y, outer, rows, aligned);
}

template <class In, class Out>
void launch_warp_row_sum(const In* x, Out* y, std::int64_t outer, std::int64_t reduce,
                         Context& context) {
  const unsigned blocks = elementwise_grid(outer * kWarpSize, context);
  const LaunchConfig config("reduce_sum_short_rows", blocks, kRowBlock, context.stream);
  launch(config, warp_row_sum_kernel<In, Out>, x, y, outer, reduce);
}

template <class T>
void sum_rows(const T* x, float* y, const ReduceShape& s, Context& context) {
  if (s.reduce <= kShortRow) return launch_warp_row_sum(x, y, s.outer, s.reduce, context);
  const std::int64_t most = std::max<std::int64_t>(kMostBlocks / s.outer, 1);
  const std::int64_t wanted = std::min(ceil_div(s.reduce, kRowPart), most);
  // Parts begin at multiples of 16 elements, so that they are as aligned as the row.
  const std::int64_t part = ceil_div(ceil_div(s.reduce, wanted), 16) * 16;
  const RowParts rows{.reduce = s.reduce, .parts = ceil_div(s.reduce, part), .part = part};
  if (rows.parts == 1) return launch_row_sum(x, y, s.outer, rows, context);
  const Buffer buffer =
      context.allocate(static_cast<std::size_t>(s.outer * rows.parts) * sizeof(double));
  auto* parts = reinterpret_cast<double*>(buffer.get());
  launch_row_sum(x, parts, s.outer, rows, context);
  launch_warp_row_sum(parts, y, s.outer, rows.parts, context);
}

}  // namespace

template <class T>
void reduce_sum(const T* x, compute_type<T>* y, const ReduceShape& shape, Context& context) {
  constexpr int kCount = kVectorWidth<T>;
  if (shape.outer * shape.inner == 0) return;
  if (shape.reduce == 0) return fill(0.0f, y, shape.outer * shape.inner, context);
  if (shape.inner == 1) return sum_rows(x, y, shape, context);
  const bool aligned = aligned_for<kCount>(x) && folds_into_vectors<kCount>(shape.inner) &&
                       (shape.outer == 1 || shape.reduce * shape.inner % kCount == 0);
  if (aligned) return sum_columns<kCount>(x, y, shape, context);
  sum_columns<1>(x, y, shape, context);
}

template void reduce_sum<float>(const float*, float*, const ReduceShape&, Context&);
template void reduce_sum<bfloat16>(const bfloat16*, float*, const ReduceShape&, Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
