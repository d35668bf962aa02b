// The tiles of the implicit GEMMs: their sizes, and how an operand's tile lies in shared memory.
//
// The tensor-core kernels keep kStages tiles of a and b in shared memory. A row of a tile is a row
// of the operand along its contiguous index, so that 16-byte chunks of it are contiguous in global
// memory as well; chunks change places within their row (the swizzle) so that no access below
// meets the same bank twice. docs/kernels/conv2d.md has a picture.
#pragma once

#include <string>

#include <whisker/kernels/cuda/conv2d_index.h>

namespace whisker::inline v0_1::kernels::cuda {

/// Tile of one block of the plain f32 kernels.
inline constexpr int kSimtBlock = 64;
inline constexpr int kSimtBlockK = 16;
inline constexpr int kSimtThreads = 256;

/// Bytes of k that one stage holds: two steps of mma.sync, whose k is 32 bytes for every type.
inline constexpr int kMmaBlockKBytes = 64;
inline constexpr int kMmaStepBytes = 32;
inline constexpr int kChunkBytes = 16;

/// Tile of one block of the tensor-core kernels; a warp computes warp_m x warp_n of it. The
/// compiler keeps to as many registers as let `blocks` of them share a multiprocessor.
struct MmaTile {
  int block_m, block_n, warp_m, warp_n, stages, blocks;

  constexpr int warps_n() const { return block_n / warp_n; }
  constexpr int threads() const { return block_m / warp_m * warps_n() * 32; }
  constexpr int stage_bytes() const { return (block_m + block_n) * kMmaBlockKBytes; }
  constexpr int shared_bytes() const { return stages * stage_bytes(); }
};

inline constexpr MmaTile kMmaTiles[] = {
    {.block_m = 256, .block_n = 128, .warp_m = 64, .warp_n = 64, .stages = 3, .blocks = 1},
    {.block_m = 128, .block_n = 256, .warp_m = 64, .warp_n = 64, .stages = 3, .blocks = 1},
    {.block_m = 128, .block_n = 128, .warp_m = 64, .warp_n = 32, .stages = 3, .blocks = 2},
    {.block_m = 256, .block_n = 64, .warp_m = 64, .warp_n = 64, .stages = 3, .blocks = 2},
    {.block_m = 128, .block_n = 64, .warp_m = 64, .warp_n = 32, .stages = 4, .blocks = 3},
    {.block_m = 64, .block_n = 64, .warp_m = 32, .warp_n = 32, .stages = 4, .blocks = 4},
};
inline constexpr int kMmaTileCount = sizeof(kMmaTiles) / sizeof(kMmaTiles[0]);

/// The name of kMmaTiles[tile]: "128x64", ...
inline std::string mma_tile_name(int tile) {
  return std::to_string(kMmaTiles[tile].block_m) + "x" + std::to_string(kMmaTiles[tile].block_n);
}

/// One operand's tile: kBlockMn x (64 bytes of k) elements of type T, moved by kThreads threads.
template <class T, Major kMajor, int kBlockMn, int kThreads>
struct OperandTile {
  static constexpr int kChunk = kChunkBytes / static_cast<int>(sizeof(T));
  static constexpr int kBlockK = kMmaBlockKBytes / static_cast<int>(sizeof(T));
  static constexpr int kRows = kMajor == Major::k ? kBlockMn : kBlockK;
  static constexpr int kRowChunks = (kMajor == Major::k ? kBlockK : kBlockMn) / kChunk;
  static constexpr int kRowBytes = kRowChunks * kChunkBytes;
  static constexpr int kBytes = kRows * kRowBytes;
  static constexpr int kRowsPerPass = kThreads / kRowChunks;
  static constexpr int kPasses = kRows / kRowsPerPass;  // chunks that each thread moves
  static_assert(kThreads % kRowChunks == 0 && kRows % kRowsPerPass == 0);

  /// The chunk that a thread moves in a pass is in this row, and in all passes in this column.
  WHISKER_HOST_DEVICE static constexpr int row(int thread, int pass) {
    return thread / kRowChunks + pass * kRowsPerPass;
  }
  WHISKER_HOST_DEVICE static constexpr int chunk(int thread) { return thread % kRowChunks; }

  /// The layout repeats: what lies kPeriod indices mn further is kPeriod * kMnBytes further.
  static constexpr int kPeriod = kMajor == Major::k ? 8 : sizeof(T) == 2 ? 64 : 32;
  static constexpr int kMnBytes = kMajor == Major::k ? kRowBytes : static_cast<int>(sizeof(T));

  /// Where a chunk lies, in bytes.
  WHISKER_HOST_DEVICE static constexpr int offset(int row, int chunk) {
    return row * kRowBytes + (chunk ^ swizzle(row)) * kChunkBytes;
  }

  // Fragments cover 16 indices mn by one step of k (32 bytes): the four 8 x 16-byte matrices
  // (mn low, k low), (mn high, k low), (mn low, k high), (mn high, k high). In this order they are
  // operand a of mma.sync; 0 with 2, and 1 with 3, are operand b of two neighbours.

  /// Whether ldmatrix delivers fragments; it moves 16-bit elements when it transposes.
  static constexpr bool kByLdmatrix = kMajor == Major::k || sizeof(T) == 2;

  /// The row address that `lane` gives to ldmatrix (.trans for Major::mn) for fragment (mn, step).
  WHISKER_HOST_DEVICE static constexpr int matrix_row(int lane, int mn, int step) {
    const int row_of_8 = lane % 8, mn_half = lane / 8 % 2, k_half = lane / 16;
    if constexpr (kMajor == Major::k)
      return offset(mn + mn_half * 8 + row_of_8, step * 2 + k_half);
    else
      return offset(step * 16 + k_half * 8 + row_of_8, mn / kChunk + mn_half);
  }
  /// Without ldmatrix: the 4-byte element of register `matrix` of `lane`.
  WHISKER_HOST_DEVICE static constexpr int element(int lane, int mn, int step, int matrix) {
    const int column = mn + matrix % 2 * 8 + lane / 4;
    const int row = step * 8 + matrix / 2 * 4 + lane % 4;
    return offset(row, column / kChunk) + column % kChunk * static_cast<int>(sizeof(T));
  }

 private:
  WHISKER_HOST_DEVICE static constexpr int swizzle(int row) {
    if constexpr (kMajor == Major::k) return row >> 1 & 3;  // 8 rows of 4 chunks: 2 lines of banks
    if constexpr (sizeof(T) == 2) return row & 7;
    return (row & 3) << 1;  // 4 rows by 8 floats, which are 2 chunks
  }
};

}  // namespace whisker::inline v0_1::kernels::cuda
