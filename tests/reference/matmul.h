// Matrix product by its definition.
#pragma once

#include "reference/array.h"

namespace whisker::reference {

inline Array transpose(const Array& a) {
  const std::int64_t rows = a.shape[0], columns = a.shape[1];
  Array t({columns, rows});
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      t[j * rows + i] = a[i * columns + j];
  return t;
}

inline Array matmul(const Array& a, const Array& b) {
  const std::int64_t rows = a.shape[0], inner = a.shape[1], columns = b.shape[1];
  Array c({rows, columns});
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      for (std::int64_t k = 0; k < inner; ++k)
        c[i * columns + j] += a[i * inner + k] * b[k * columns + j];
  return c;
}

}  // namespace whisker::reference
