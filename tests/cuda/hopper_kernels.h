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

enum class OperandLayout { kBKMajor, kBMnMajor };
/// c [64, N] = a [64, 64] * b; b is [N, 64] or [64, N].
std::vector<float> wgmma_product(const std::vector<bfloat16>& a, const std::vector<bfloat16>& b,
                                 int n, OperandLayout layout);

enum class HopperBug { kNone, kNoWaitForTile, kNoWaitForProduct, kReleasedTooEarly };
/// A ring of one tile that a producer fills by TMA and a warpgroup multiplies with itself, `steps`
/// times; y [64] sums the first column of d.
std::vector<float> ring(const std::vector<bfloat16>& x, int steps, HopperBug bug);

}  // namespace whisker::testing
