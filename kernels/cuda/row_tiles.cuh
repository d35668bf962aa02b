// Walks matrices [rows, channels] that are reduced or normalised per channel.
//
// A block of 32 x 8 threads owns a tile of columns and a range of rows. Lane x holds kCount
// neighbouring columns, which it reads 16 bytes at a time where they are aligned; lane y takes
// every eighth row. Rows of few channels are folded: `fold` rows are seen as one row of
// fold * channels columns, so that all lanes have work, and the copies of a channel are combined
// at the end. docs/kernels/reduce.md has the picture.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <whisker/kernels/cuda/gpu.h>
#include <whisker/kernels/cuda/index_divisor.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {

inline constexpr int kColumnLanes = 32, kRowLanes = 8;
inline constexpr int kRowTileThreads = kColumnLanes * kRowLanes;

/// Columns of one block.
template <int kCount>
inline constexpr int kTileColumns = kColumnLanes* kCount;

struct RowTiles {
  std::int64_t rows = 0, channels = 0;  // of the matrix as it is
  std::int64_t fold = 1;                // more than 1 only where all columns fit one tile
  std::int64_t rows_per_block = 0;      // folded rows
  unsigned column_blocks = 1, row_blocks = 1;

  WHISKER_HOST_DEVICE std::int64_t width() const { return channels * fold; }
  WHISKER_HOST_DEVICE std::int64_t elements() const { return rows * channels; }
  /// Rows of the matrix that block `row_block` sees.
  WHISKER_HOST_DEVICE std::int64_t rows_in(std::int64_t row_block) const {
    const std::int64_t first = row_block * rows_per_block * fold, most = rows_per_block * fold;
    return first + most < rows ? most : rows > first ? rows - first : 0;
  }
};

/// Whether rows of `channels` elements can be folded into vectors of kCount; the arrays must be
/// aligned too.
template <int kCount>
bool folds_into_vectors(std::int64_t channels) {
  return channels % kCount == 0 || channels * kCount <= kTileColumns<kCount>;
}

/// The partition for vectors of kCount. It depends on the shape alone, so that sums over it do.
template <int kCount>
RowTiles make_row_tiles(std::int64_t rows, std::int64_t channels, std::int64_t most_blocks) {
  constexpr std::int64_t kColumns = kTileColumns<kCount>;
  constexpr std::int64_t kRowsPerLane = 4;  // at least, so that a block outweighs its start
  RowTiles tiles{.rows = rows, .channels = channels};
  if (rows == 0 || channels == 0) return tiles;
  const std::int64_t step = channels % kCount == 0 ? 1 : kCount;
  tiles.fold = std::max<std::int64_t>(kColumns / (channels * step), 1) * step;
  const std::int64_t folded_rows = ceil_div(rows, tiles.fold);
  tiles.column_blocks = static_cast<unsigned>(ceil_div(tiles.width(), kColumns));
  const std::int64_t most_row_blocks = std::max<std::int64_t>(most_blocks / tiles.column_blocks, 1);
  const std::int64_t wanted =
      std::min(ceil_div(folded_rows, kRowLanes * kRowsPerLane), most_row_blocks);
  tiles.rows_per_block = ceil_div(folded_rows, wanted);
  tiles.row_blocks = static_cast<unsigned>(ceil_div(folded_rows, tiles.rows_per_block));
  return tiles;
}

/// The first column of this thread in the folded matrix.
template <int kCount>
__device__ __forceinline__ std::int64_t first_column() {
  return (std::int64_t{blockIdx.x} * kColumnLanes + threadIdx.x) * kCount;
}

template <int kCount>
using CountOf = std::integral_constant<int, kCount>;

/// Calls body(at, i, CountOf<kCount>) for this thread's part of every row of block `row_block`;
/// `at` is the flat index of its first element and i = 0. In the last row, which may end early, it
/// calls body(at + i, i, CountOf<1>) for the elements that exist.
template <int kCount, class Body>
__device__ __forceinline__ void for_each_row(const RowTiles& tiles, std::int64_t row_block,
                                             const Body& body) {
  const std::int64_t column = first_column<kCount>(), width = tiles.width();
  if (column >= width) return;
  const std::int64_t elements = tiles.elements();
  const std::int64_t begin = row_block * tiles.rows_per_block;
  for (std::int64_t r = threadIdx.y; r < tiles.rows_per_block; r += kRowLanes) {
    const std::int64_t at = (begin + r) * width + column;
    if (at + kCount <= elements) {
      body(at, 0, CountOf<kCount>{});
      continue;
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      if (at + i < elements) body(at + i, i, CountOf<1>{});
  }
}

/// Combines what the threads of a block hold for their columns, in a fixed order: the row lanes of
/// a column, then the folded copies of a channel. Calls finish(channel, value) once for each
/// channel of the block. All threads take part; `scratch` is shared memory. Contains two barriers,
/// and scratch may be overwritten by anybody before the call, but after it only behind a barrier.
template <int kCount, class Value, class Combine, class Finish>
__device__ __forceinline__ void combine_columns(const RowTiles& tiles,
                                                const Value (&values)[kCount],
                                                Value (&scratch)[kRowLanes][kTileColumns<kCount>],
                                                const Combine& combine, const Finish& finish) {
  const int thread = static_cast<int>(threadIdx.y * kColumnLanes + threadIdx.x);
  const std::int64_t base = std::int64_t{blockIdx.x} * kTileColumns<kCount>;
  const auto columns = static_cast<int>(
      tiles.width() - base < kTileColumns<kCount> ? tiles.width() - base : kTileColumns<kCount>);
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    scratch[threadIdx.y][threadIdx.x * kCount + i] = values[i];
  __syncthreads();
  for (int column = thread; column < columns; column += kRowTileThreads) {
    Value value = scratch[0][column];
#pragma unroll
    for (int lane = 1; lane < kRowLanes; ++lane)
      value = combine(value, scratch[lane][column]);
    scratch[0][column] = value;
  }
  __syncthreads();
  const auto channels = static_cast<int>(columns / tiles.fold);
  for (int channel = thread; channel < channels; channel += kRowTileThreads) {
    Value value = scratch[0][channel];
    for (int copy = 1; copy < tiles.fold; ++copy)
      value = combine(value, scratch[0][copy * channels + channel]);
    finish(base + channel, value);
  }
}

}  // namespace whisker::inline v0_1::kernels::cuda
