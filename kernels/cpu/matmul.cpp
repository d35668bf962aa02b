#include <array>

#include <whisker/kernels/cpu/onednn.h>
#include <whisker/kernels/matmul.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

using dnnl::memory;
using Key = std::array<std::int64_t, 6>;

/// A stored [rows, columns] matrix seen as [rows, columns], or as its transpose.
template <class T>
memory::desc matrix(std::int64_t rows, std::int64_t columns, bool transposed) {
  return {{rows, columns},
          onednn_type<T>(),
          transposed ? memory::format_tag::ba : memory::format_tag::ab};
}

void fill_zero(auto* c, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i)
    c[i] = std::remove_reference_t<decltype(*c)>(0.0f);
}

}  // namespace

template <class T>
void matmul(const T* a, const T* b, T* c, const MatmulShape& s, Context& context) {
  if (s.m * s.n * s.k == 0) return fill_zero(c, s.m * s.n);
  static PrimitiveCache<dnnl::matmul, Key> cache;
  with_onednn("matmul", str("[", s.m, ",", s.k, "] x [", s.k, ",", s.n, "]"), [&] {
    const Key key{s.m, s.n, s.k, s.transpose_a, s.transpose_b, std::is_same_v<T, bfloat16>};
    const auto p = cache.get(key, [&] {
      return describe<dnnl::matmul>(matrix<T>(s.m, s.k, s.transpose_a),
                                    matrix<T>(s.k, s.n, s.transpose_b), matrix<T>(s.m, s.n, false));
    });
    p->run({{DNNL_ARG_SRC, view(p->desc.src_desc(), a)},
            {DNNL_ARG_WEIGHTS, view(p->desc.weights_desc(), b)},
            {DNNL_ARG_DST, view(p->desc.dst_desc(), c)}},
           context);
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
