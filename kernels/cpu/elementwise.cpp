#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <vector>

#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/cpu/tanh.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements: enough work to outweigh waking a thread

template <class T>
compute_type<T> load(T value) {
  return static_cast<compute_type<T>>(value);
}

/// Walks all but the innermost dimension of one broadcast row by row.
struct RowCursor {
  std::array<std::int64_t, BroadcastShape::kMaxRank> index{};
  std::int64_t a = 0, b = 0;

  RowCursor(const BroadcastShape& shape, std::int64_t row) {
    for (int axis = shape.rank - 2; axis >= 0; --axis) {
      const auto i = static_cast<std::size_t>(axis);
      index[i] = row % shape.dims[i];
      row /= shape.dims[i];
      a += index[i] * shape.a_strides[i];
      b += index[i] * shape.b_strides[i];
    }
  }
  void next(const BroadcastShape& shape) {
    for (int axis = shape.rank - 2; axis >= 0; --axis) {
      const auto i = static_cast<std::size_t>(axis);
      a += shape.a_strides[i];
      b += shape.b_strides[i];
      if (++index[i] < shape.dims[i]) return;
      a -= index[i] * shape.a_strides[i];
      b -= index[i] * shape.b_strides[i];
      index[i] = 0;
    }
  }
};

template <class Op, class T>
void binary_row(const T* a, std::int64_t a_stride, const T* b, std::int64_t b_stride, T* c,
                std::int64_t n, Op op) {
  const auto run = [&](auto at_a, auto at_b) {
    for (std::int64_t i = 0; i < n; ++i)
      c[i] = T(op(load(at_a(i)), load(at_b(i))));
  };
  const auto walk_a = [a](std::int64_t i) { return a[i]; };
  const auto walk_b = [b](std::int64_t i) { return b[i]; };
  const auto keep_a = [value = *a](std::int64_t) { return value; };
  const auto keep_b = [value = *b](std::int64_t) { return value; };
  if (a_stride && b_stride) return run(walk_a, walk_b);
  if (a_stride) return run(walk_a, keep_b);
  if (b_stride) return run(keep_a, walk_b);
  run(keep_a, keep_b);
}

}  // namespace

template <class Op, class T>
void unary_forward(const T* x, T* y, std::int64_t n, Op op, [[maybe_unused]] Context& context) {
  if constexpr (std::is_same_v<Op, Tanh> && std::is_same_v<T, float>)
    return tanh_forward(x, y, n, context);
  parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y[i] = T(op(load(x[i])));
  });
}

template <class Op, class T>
void unary_backward(const T* dy, const T* saved, T* dx, std::int64_t n, Op op, Context&) {
  parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      dx[i] = T(op.gradient(load(dy[i]), load(saved[i])));
  });
}

template <class Op, class T>
void binary_forward(const T* a, const T* b, T* c, const BroadcastShape& shape, Op op, Context&) {
  const auto last = static_cast<std::size_t>(shape.rank - 1);
  const std::int64_t inner = shape.dims[last];
  std::int64_t rows = 1;
  for (std::size_t i = 0; i < last; ++i)
    rows *= shape.dims[i];
  if (rows == 0 || inner == 0) return;
  const bool one_row = rows == 1;
  parallel_for(one_row ? inner : rows, one_row ? kGrain : std::max(kGrain / inner, std::int64_t{1}),
               [&](std::int64_t begin, std::int64_t end) {
                 const std::int64_t a_stride = shape.a_strides[last];
                 const std::int64_t b_stride = shape.b_strides[last];
                 if (one_row)
                   return binary_row(a + begin * a_stride, a_stride, b + begin * b_stride, b_stride,
                                     c + begin, end - begin, op);
                 RowCursor at(shape, begin);
                 for (std::int64_t row = begin; row < end; ++row, at.next(shape))
                   binary_row(a + at.a, a_stride, b + at.b, b_stride, c + row * inner, inner, op);
               });
}

namespace {

/// sums[i] += over `reduce` rows of x [reduce, inner].
template <class T>
void add_rows(const T* x, double* sums, std::int64_t reduce, std::int64_t inner) {
  if (inner == 1) {
    // Four independent sums let the loop run at the speed of memory.
    std::array<double, 4> lanes{};
    std::int64_t i = 0;
    for (; i + 4 <= reduce; i += 4)
      for (std::size_t lane = 0; lane < 4; ++lane)
        lanes[lane] += static_cast<double>(load(x[i + static_cast<std::int64_t>(lane)]));
    for (; i < reduce; ++i)
      lanes[0] += static_cast<double>(load(x[i]));
    sums[0] += (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    return;
  }
  for (std::int64_t r = 0; r < reduce; ++r)
    for (std::int64_t i = 0; i < inner; ++i)
      sums[i] += static_cast<double>(load(x[r * inner + i]));
}

}  // namespace

template <class T>
void reduce_sum(const T* x, compute_type<T>* y, const ReduceShape& shape, Context& context) {
  // A long reduction is cut into chunks whose sums are added in order.
  const std::int64_t per_chunk =
      std::max(kGrain / std::max(shape.inner, std::int64_t{1}), std::int64_t{16});
  const std::int64_t chunks = std::max((shape.reduce + per_chunk - 1) / per_chunk, std::int64_t{1});
  const std::int64_t sums = shape.outer * chunks * shape.inner;
  const Buffer scratch = context.allocate(static_cast<std::size_t>(sums) * sizeof(double));
  auto* partial = reinterpret_cast<double*>(scratch.get());
  std::fill_n(partial, sums, 0.0);
  parallel_for(
      shape.outer * chunks,
      std::max(std::int64_t{1}, kGrain / (per_chunk * std::max(shape.inner, std::int64_t{1}))),
      [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const std::int64_t outer = i / chunks, first = i % chunks * per_chunk;
          add_rows(x + (outer * shape.reduce + first) * shape.inner, partial + i * shape.inner,
                   std::min(per_chunk, shape.reduce - first), shape.inner);
        }
      });
  for (std::int64_t outer = 0; outer < shape.outer; ++outer)
    for (std::int64_t i = 0; i < shape.inner; ++i) {
      double sum = 0.0;
      for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
        sum += partial[(outer * chunks + chunk) * shape.inner + i];
      y[outer * shape.inner + i] = static_cast<compute_type<T>>(sum);
    }
}

template <class From, class To>
void cast(const From* x, To* y, std::int64_t n, Context&) {
  parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      // bfloat16 converts from and to float only.
      using Value = std::conditional_t<std::is_same_v<From, bfloat16>, float, From>;
      using Through = std::conditional_t<std::is_same_v<To, bfloat16>, float, To>;
      y[i] = To(static_cast<Through>(static_cast<Value>(x[i])));
    }
  });
}

template <class T>
void fill(T value, T* y, std::int64_t n, Context&) {
  std::fill_n(y, n, value);
}
template void fill(std::uint8_t, std::uint8_t*, std::int64_t, Context&);
template void fill(std::int32_t, std::int32_t*, std::int64_t, Context&);

void copy_rows(const void* x, void* y, const CopyShape& shape, Context&) {
  if (shape.row_bytes == 0) return;
  const auto* from = static_cast<const std::byte*>(x);
  auto* to = static_cast<std::byte*>(y);
  for (std::int64_t row = 0; row < shape.rows; ++row, from += shape.x_stride, to += shape.y_stride)
    std::memcpy(to, from, static_cast<std::size_t>(shape.row_bytes));
}

template <class T>
void accumulate(const T* term, T* sum, std::int64_t n, Context&) {
  parallel_for(n, kGrain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      sum[i] = T(load(sum[i]) + load(term[i]));
  });
}

#define WHISKER_INSTANTIATE_UNARY(Op, T)                                        \
  template void unary_forward<Op, T>(const T*, T*, std::int64_t, Op, Context&); \
  template void unary_backward<Op, T>(const T*, const T*, T*, std::int64_t, Op, Context&);
#define WHISKER_INSTANTIATE_BINARY(Op, T) \
  template void binary_forward<Op, T>(const T*, const T*, T*, const BroadcastShape&, Op, Context&);
#define WHISKER_INSTANTIATE_CAST(From, To) \
  template void cast<From, To>(const From*, To*, std::int64_t, Context&);
#define WHISKER_INSTANTIATE(T)                                                           \
  WHISKER_UNARY_FUNCTIONS(WHISKER_INSTANTIATE_UNARY, T)                                  \
  WHISKER_BINARY_FUNCTIONS(WHISKER_INSTANTIATE_BINARY, T)                                \
  WHISKER_INSTANTIATE_CAST(T, float)                                                     \
  WHISKER_INSTANTIATE_CAST(T, bfloat16)                                                  \
  WHISKER_INSTANTIATE_CAST(T, double)                                                    \
  WHISKER_INSTANTIATE_CAST(std::uint8_t, T)                                              \
  WHISKER_INSTANTIATE_CAST(std::int32_t, T)                                              \
  template void reduce_sum<T>(const T*, compute_type<T>*, const ReduceShape&, Context&); \
  template void fill<T>(T, T*, std::int64_t, Context&);                                  \
  template void accumulate<T>(const T*, T*, std::int64_t, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)
WHISKER_INSTANTIATE(double)

}  // namespace whisker::inline v0_1::kernels::cpu
