// Kernels that use the engines of sm_90a.
#pragma once

#include <cstdint>
#include <vector>

#include <whisker/kernels/bfloat16.h>

namespace whisker::testing {

/// Whether the device has them: the simulator does.
bool has_hopper();

/// y = the tile of x [rows, columns] that begins at (row, column), 16 rows of 64, zero outside;
/// loaded by TMA with its swizzle and stored by TMA, through a map of y [16, 64].
std::vector<bfloat16> tma_copy(const std::vector<bfloat16>& x, int rows, int columns, int row,
                               int column);
/// The 64 words of a tile of 8 rows of 64 elements as they lie in shared memory.
std::vector<std::uint16_t> tma_layout(const std::vector<bfloat16>& x);

/// Where a tile begins, innermost coordinate first.
struct TileAt {
  int c[5];
};
/// Elements of the tensors of `tma_load` and `tma_store`, which have the first `rank` of these.
constexpr int kTmaSize[5] = {72, 3, 4, 3, 3};
/// Shared memory after the load of a box [2, ..., 2, 64] of x; rank 2 to 5.
std::vector<std::uint16_t> tma_load(const std::vector<bfloat16>& x, int rank, const TileAt& at);
/// y after the store of such a box from shared memory that holds the words 1, 2, ...; rank 2 or 4.
std::vector<bfloat16> tma_store(const std::vector<bfloat16>& y, int rank, const TileAt& at);

/// Phase p sums p + 1 of each of three threads, times 1, 16 and 256.
std::vector<int> mbarrier_phases(int phases);

/// The registers [128, N / 2] of a warpgroup after d [64, N] = a * b. a is [64, 64], or its
/// transpose if along M; b is [N, 64], or [64, N] if along N.
std::vector<float> wgmma_registers(const std::vector<bfloat16>& a, const std::vector<bfloat16>& b,
                                   int n, bool a_along_m, bool b_along_n);

enum class HopperBug { kNone, kNoWaitForTile, kNoWaitForProduct, kReleasedTooEarly };
/// A ring of one tile that a producer fills by TMA and a warpgroup multiplies with itself, `steps`
/// times; y [64] sums the first column of d.
std::vector<float> ring(const std::vector<bfloat16>& x, int steps, HopperBug bug);

}  // namespace whisker::testing
