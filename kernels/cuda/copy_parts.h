// Copies of rows that are too large for one launch, cut into parts.
#pragma once

#include <algorithm>
#include <cstdint>

#include <whisker/kernels/elementwise.h>

namespace whisker::inline v0_1::kernels::cuda {

/// Calls body(offset in x, offset in y, part) for parts of at most `most_bytes` bytes, which make
/// up the whole; only the last in its row or column is smaller than it has to be.
template <class Body>
void for_each_copy_part(const CopyShape& shape, std::int64_t most_bytes, const Body& body) {
  CopyShape part = shape;
  for (std::int64_t column = 0; column < shape.row_bytes; column += most_bytes) {
    part.row_bytes = std::min(most_bytes, shape.row_bytes - column);
    const std::int64_t most_rows = most_bytes / part.row_bytes;
    for (std::int64_t row = 0; row < shape.rows; row += most_rows) {
      part.rows = std::min(most_rows, shape.rows - row);
      body(row * shape.x_stride + column, row * shape.y_stride + column, part);
    }
  }
}

}  // namespace whisker::inline v0_1::kernels::cuda
