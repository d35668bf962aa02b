#include <algorithm>
#include <array>

#include <whisker/kernels/cpu/onednn.h>
#include <whisker/kernels/matmul.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

using dnnl::memory;
using Key = std::array<std::int64_t, 8>;

/// A part [rows, columns] of a matrix whose rows, or columns if it is stored transposed, are
/// `stride` elements apart.
template <class T>
memory::desc matrix(std::int64_t rows, std::int64_t columns, std::int64_t stride, bool transposed) {
  const memory::dims strides = transposed ? memory::dims{1, stride} : memory::dims{stride, 1};
  return {{rows, columns}, onednn_type<T>(), strides};
}

/// How many rows or columns of c one task computes, whichever there are more of.
std::int64_t lines_per_task(const MatmulShape& s) {
  constexpr double kTaskWork = 8e6;  // multiplications, or elements that are read and written
  constexpr std::int64_t kMaxTasks = 64, kLines = 16;
  const auto m = static_cast<double>(s.m), n = static_cast<double>(s.n);
  const auto k = static_cast<double>(s.k);
  const double work = std::max(m * n * k, 8.0 * (m * n + m * k + n * k));
  const auto tasks =
      static_cast<std::int64_t>(std::clamp(work / kTaskWork, 1.0, static_cast<double>(kMaxTasks)));
  const std::int64_t lines = (std::max(s.m, s.n) + tasks - 1) / tasks;
  return (lines + kLines - 1) / kLines * kLines;
}

/// c[m, n] = a[m, k] b[k, n] for a part of c; the strides are those of `whole`.
template <class T>
void multiply(const T* a, const T* b, T* c, std::int64_t m, std::int64_t n,
              const MatmulShape& whole, Context& context) {
  static PrimitiveCache<dnnl::matmul, Key> cache;
  const MatmulShape& s = whole;
  const Key key{m, n, s.m, s.n, s.k, s.transpose_a, s.transpose_b, std::is_same_v<T, bfloat16>};
  const auto p = cache.get(key, [&] {
    return describe<dnnl::matmul>(matrix<T>(m, s.k, s.transpose_a ? s.m : s.k, s.transpose_a),
                                  matrix<T>(s.k, n, s.transpose_b ? s.k : s.n, s.transpose_b),
                                  matrix<T>(m, n, s.n, false));
  });
  p->run({{DNNL_ARG_SRC, view(p->desc.src_desc(), a)},
          {DNNL_ARG_WEIGHTS, view(p->desc.weights_desc(), b)},
          {DNNL_ARG_DST, view(p->desc.dst_desc(), c)}},
         context);
}

void fill_zero(auto* c, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    c[i] = std::remove_reference_t<decltype(*c)>(0.0f);
}

}  // namespace

template <class T>
void matmul(const T* a, const T* b, T* c, const MatmulShape& s, Context& context) {
  if (s.m * s.n * s.k == 0) return fill_zero(c, s.m * s.n);
  with_onednn("matmul", str("[", s.m, ",", s.k, "] x [", s.k, ",", s.n, "]"), [&] {
    const bool cut_rows = s.m >= s.n;
    parallel_for(cut_rows ? s.m : s.n, lines_per_task(s),
                 [&](std::int64_t begin, std::int64_t end) {
                   if (cut_rows)
                     multiply(a + begin * (s.transpose_a ? 1 : s.k), b, c + begin * s.n,
                              end - begin, s.n, s, context);
                   else
                     multiply(a, b + begin * (s.transpose_b ? s.k : 1), c + begin, s.m, end - begin,
                              s, context);
                 });
  });
}

template <>
void matmul<double>(const double* a, const double* b, double* c, const MatmulShape& s, Context&) {
  const std::int64_t a_row = s.transpose_a ? 1 : s.k, a_column = s.transpose_a ? s.m : 1;
  const std::int64_t b_row = s.transpose_b ? 1 : s.n, b_column = s.transpose_b ? s.k : 1;
  parallel_for(s.m, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      for (std::int64_t j = 0; j < s.n; ++j) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < s.k; ++k)
          sum += a[i * a_row + k * a_column] * b[k * b_row + j * b_column];
        c[i * s.n + j] = sum;
      }
  });
}

template void matmul<float>(const float*, const float*, float*, const MatmulShape&, Context&);
template void matmul<bfloat16>(const bfloat16*, const bfloat16*, bfloat16*, const MatmulShape&,
                               Context&);

}  // namespace whisker::inline v0_1::kernels::cpu
