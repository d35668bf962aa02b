// Matrix product: c = op(a) op(b), op being the transpose where asked.
#pragma once

#include <cstdint>

#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels {

struct MatmulShape {
  std::int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false;  // a is stored [k, m] instead of [m, k]
  bool transpose_b = false;  // b is stored [n, k] instead of [k, n]

  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
  friend bool operator==(const MatmulShape&, const MatmulShape&) = default;
};

namespace cpu {

/// c [m, n] is overwritten; T is float, bfloat16 (accumulated in float) or double.
template <class T>
void matmul(const T* a, const T* b, T* c, const MatmulShape& shape, Context& context);

}  // namespace cpu

namespace cuda {

struct Context;

/// As on the CPU, for float and bfloat16. Products of floats are rounded to TF32 if context.tf32.
template <class T>
void matmul(const T* a, const T* b, T* c, const MatmulShape& shape, Context& context);

}  // namespace cuda
}  // namespace whisker::inline v0_1::kernels
