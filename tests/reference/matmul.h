// Matrix product by its definition.
#pragma once

#include "reference/array.h"

namespace whisker::reference {

inline Array transpose(const Array& a) {
  Array t({a.shape[1], a.shape[0]});
  for (std::int64_t i = 0; i < a.shape[0]; ++i)
    for (std::int64_t j = 0; j < a.shape[1]; ++j)
      t[j * a.shape[0] + i] = a[i * a.shape[1] + j];
  return t;
}

inline Array matmul(const Array& a, const Array& b) {
  Array c({a.shape[0], b.shape[1]});
  for (std::int64_t i = 0; i < a.shape[0]; ++i)
    for (std::int64_t j = 0; j < b.shape[1]; ++j)
      for (std::int64_t k = 0; k < a.shape[1]; ++k)
        c[i * b.shape[1] + j] += a[i * a.shape[1] + k] * b[k * b.shape[1] + j];
  return c;
}

}  // namespace whisker::reference
