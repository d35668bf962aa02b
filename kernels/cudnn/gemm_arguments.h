// A row-major matrix product in the column-major terms of cuBLAS. Needs no header of cuBLAS.
#pragma once

#include <cstdint>

#include <whisker/kernels/matmul.h>

namespace whisker::inline v0_1::kernels::cudnn {

/// Of C = op(first) op(second), C [rows, columns] and all operands column-major. A row-major matrix
/// read as column-major is its transpose, so this computes c^T = op(b)^T op(a)^T: `first` is b.
struct GemmArguments {
  std::int64_t rows, columns, k;
  bool transpose_first, transpose_second;
  std::int64_t first_pitch, second_pitch, result_pitch;  // elements between columns
};

constexpr GemmArguments gemm_arguments(const MatmulShape& s) {
  return {.rows = s.n,
          .columns = s.m,
          .k = s.k,
          .transpose_first = s.transpose_b,
          .transpose_second = s.transpose_a,
          .first_pitch = s.transpose_b ? s.k : s.n,
          .second_pitch = s.transpose_a ? s.m : s.k,
          .result_pitch = s.n};
}

}  // namespace whisker::inline v0_1::kernels::cudnn
