// The arithmetic of the tensor cores, and what their emulations share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace whisker::inline v0_1::kernels::sim {

/// Eight columns of a matrix, which compilers turn into one vector.
typedef float Row8 __attribute__((vector_size(32)));

/// d [16, 8] += a [16, K] * b [K, 8]; d is spread over 32 lanes: d[lane][0, 1] is row lane / 4,
/// columns 2 (lane % 4) and the next one, d[lane][2, 3] the same eight rows below.
template <int K>
void multiply_accumulate(const float (&a)[16][K], const Row8 (&b)[K], float* const (&d)[32]) {
  for (int row = 0; row < 16; ++row) {
    const int part = row / 8 * 2, first_lane = row % 8 * 4;
    Row8 sum;
    for (int column = 0; column < 8; ++column)
      sum[column] = d[first_lane + column / 2][part + column % 2];
    for (int k = 0; k < K; ++k)
      sum += a[row][k] * b[k];
    for (int column = 0; column < 8; ++column)
      d[first_lane + column / 2][part + column % 2] = sum[column];
  }
}

/// The 128-byte swizzle: bits 4 to 6 of an address are xored with bits 7 to 9, so that a column of
/// 16-byte chunks over eight rows touches all banks.
constexpr std::uint32_t swizzle_128(std::uint32_t address) {
  return address ^ (address >> 7 & 7u) << 4;
}

/// Fails unless the bytes lie within one variable in shared memory and are aligned.
void require_shared(const void* shared, std::size_t bytes, std::size_t alignment,
                    const char* operation);

}  // namespace whisker::inline v0_1::kernels::sim
