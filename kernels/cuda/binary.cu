// Binary functions with broadcasting. Arrays of one shape go through the elementwise kernel; for
// the others a thread computes up to 16 bytes of neighbouring results of one row of the innermost
// axis, along which an argument either runs on or stands still.
#include <array>

#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/index_divisor.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

/// BroadcastShape as the kernel wants it: the innermost axis counted in pieces of kCount elements.
struct Walk {
  int rank;
  int pieces;
  IndexDivisor dims[BroadcastShape::kMaxRank];
  std::int64_t a_strides[BroadcastShape::kMaxRank], b_strides[BroadcastShape::kMaxRank];
  bool a_runs, b_runs;  // along the innermost axis
};

/// kCount elements at p, or one for all of them.
template <int kCount, class T>
__device__ __forceinline__ Vector<float, kCount> load_or_repeat(const T* p, bool runs) {
  if (runs) return load_vector<kCount>(p);
  Vector<float, kCount> values;
  const float value = static_cast<float>(*p);
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    values.values[i] = value;
  return values;
}

template <int kCount, class Op, class T>
__global__ void __launch_bounds__(kElementwiseBlock)
    broadcast_kernel(const T* a, const T* b, T* c, Walk walk, Op op) {
  const int threads = static_cast<int>(gridDim.x * blockDim.x);
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < walk.pieces;
       i += threads) {
    int rest = i;
    std::int64_t at_a = 0, at_b = 0;
#pragma unroll
    for (int axis = BroadcastShape::kMaxRank - 1; axis >= 0; --axis) {
      if (axis >= walk.rank) continue;
      const auto [quotient, index] = walk.dims[axis].split(rest);
      rest = quotient;
      at_a += index * walk.a_strides[axis];
      at_b += index * walk.b_strides[axis];
    }
    const auto x = load_or_repeat<kCount>(a + at_a, walk.a_runs);
    const auto z = load_or_repeat<kCount>(b + at_b, walk.b_runs);
    Vector<float, kCount> results;
#pragma unroll
    for (int j = 0; j < kCount; ++j)
      results.values[j] = op(x.values[j], z.values[j]);
    store_vector<kCount>(results, c + std::int64_t{i} * kCount);
  }
}

std::int64_t elements_of(const BroadcastShape& shape) {
  std::int64_t n = 1;
  for (int i = 0; i < shape.rank; ++i)
    n *= shape.dims[static_cast<std::size_t>(i)];
  return n;
}

Walk make_walk(const BroadcastShape& shape, int count) {
  const auto last = static_cast<std::size_t>(shape.rank - 1);
  Walk walk{};
  walk.rank = shape.rank;
  walk.pieces = static_cast<int>(elements_of(shape) / count);
  walk.a_runs = shape.a_strides[last] != 0;
  walk.b_runs = shape.b_strides[last] != 0;
  for (std::size_t i = 0; i <= last; ++i) {
    const std::int64_t width = i == last ? count : 1;
    walk.dims[i] = IndexDivisor(static_cast<int>(shape.dims[i] / width));
    walk.a_strides[i] = shape.a_strides[i] * width;
    walk.b_strides[i] = shape.b_strides[i] * width;
  }
  return walk;
}

/// Whether pieces of `count` elements start at multiples of it in an array with these strides.
template <int kCount, class T>
bool runs_in_pieces(const T* p, const std::array<std::int64_t, BroadcastShape::kMaxRank>& strides,
                    int rank) {
  if (strides[static_cast<std::size_t>(rank - 1)] == 0) return true;
  bool whole = aligned_for<kCount>(p);
  for (int i = 0; i + 1 < rank; ++i)
    whole = whole && strides[static_cast<std::size_t>(i)] % kCount == 0;
  return whole;
}

template <int kCount, class Op, class T>
void launch_broadcast(const T* a, const T* b, T* c, const BroadcastShape& shape, Op op,
                      Context& context) {
  const Walk walk = make_walk(shape, kCount);
  const LaunchConfig config("binary_forward", elementwise_grid(walk.pieces, context),
                            kElementwiseBlock, context.stream);
  launch(config, broadcast_kernel<kCount, Op, T>, a, b, c, walk, op);
}

}  // namespace

template <class Op, class T>
void binary_forward(const T* a, const T* b, T* c, const BroadcastShape& shape, Op op,
                    Context& context) {
  constexpr std::int64_t kMostElements = std::int64_t{1} << 30;  // keeps indices below 2^31
  constexpr int kCount = kVectorWidth<T>;
  const std::int64_t n = elements_of(shape);
  if (n == 0) return;
  const auto last = static_cast<std::size_t>(shape.rank - 1);
  if (shape.rank == 1 && shape.a_strides[0] != 0 && shape.b_strides[0] != 0)
    return transform("binary_forward", op, n, context, c, a, b);
  if (n > kMostElements) {  // in two halves of the first axis that has any
    std::size_t axis = 0;
    while (shape.dims[axis] == 1)
      ++axis;
    BroadcastShape half = shape, rest = shape;
    const std::int64_t cut = half.dims[axis] = shape.dims[axis] / 2;
    rest.dims[axis] -= cut;
    binary_forward(a, b, c, half, op, context);
    return binary_forward(a + cut * shape.a_strides[axis], b + cut * shape.b_strides[axis],
                          c + n / shape.dims[axis] * cut, rest, op, context);
  }
  const bool wide = shape.dims[last] % kCount == 0 && aligned_for<kCount>(c) &&
                    runs_in_pieces<kCount>(a, shape.a_strides, shape.rank) &&
                    runs_in_pieces<kCount>(b, shape.b_strides, shape.rank);
  if (wide) return launch_broadcast<kCount>(a, b, c, shape, op, context);
  launch_broadcast<1>(a, b, c, shape, op, context);
}

#define WHISKER_INSTANTIATE_BINARY(Op, T) \
  template void binary_forward<Op, T>(const T*, const T*, T*, const BroadcastShape&, Op, Context&);
WHISKER_BINARY_FUNCTIONS(WHISKER_INSTANTIATE_BINARY, float)
WHISKER_BINARY_FUNCTIONS(WHISKER_INSTANTIATE_BINARY, bfloat16)

}  // namespace whisker::inline v0_1::kernels::cuda
