// A thread serves up to 16 bytes of neighbouring channels of one pixel of the small images, and all
// pixels of its block in the large ones: the small array is moved once, and so is the large one.
#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/vector.cuh>
#include <whisker/kernels/resample2d.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

/// Resample2dShape as the kernels want it: channels counted in pieces of kCount elements.
struct Walk {
  std::int64_t rows;
  int row_pieces;
  IndexDivisor pieces;  // of a pixel
  std::int64_t large_row;
  int channels, block_h, block_w;
  float scale;
};

/// Calls body(offset in small, offset in large of the block's first pixel) for this thread's
/// pieces.
template <int kCount, class Body>
__device__ __forceinline__ void for_each_piece(const Walk& walk, const Body& body) {
  const int threads = static_cast<int>(gridDim.x * blockDim.x);
  const std::int64_t row_threads = std::int64_t{gridDim.y} * blockDim.y;
  for (std::int64_t row = std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < walk.rows;
       row += row_threads)
    for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < walk.row_pieces;
         i += threads) {
      const auto [w, piece] = walk.pieces.split(i);
      const std::int64_t small = (row * walk.row_pieces + i) * kCount;
      const std::int64_t large = row * walk.block_h * walk.large_row +
                                 std::int64_t{w} * walk.block_w * walk.channels + piece * kCount;
      body(small, large);
    }
}

template <int kCount, class T>
__global__ void __launch_bounds__(kElementwiseBlock)
    upsample2d_kernel(const T* small, T* large, Walk walk) {
  for_each_piece<kCount>(walk, [&](std::int64_t from, std::int64_t to) {
    auto values = load_vector<kCount>(small + from);
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      values.values[i] *= walk.scale;
    T* row = large + to;
    for (int r = 0; r < walk.block_h; ++r, row += walk.large_row)
      for (int s = 0; s < walk.block_w; ++s)
        store_vector<kCount>(values, row + s * walk.channels);
  });
}

template <int kCount, class T>
__global__ void __launch_bounds__(kElementwiseBlock)
    block_sum2d_kernel(const T* large, T* small, Walk walk) {
  for_each_piece<kCount>(walk, [&](std::int64_t to, std::int64_t from) {
    Vector<float, kCount> sums{};
    const T* row = large + from;
    for (int r = 0; r < walk.block_h; ++r, row += walk.large_row)
      for (int s = 0; s < walk.block_w; ++s) {
        const auto values = load_vector<kCount>(row + s * walk.channels);
#pragma unroll
        for (int i = 0; i < kCount; ++i)
          sums.values[i] += values.values[i];
      }
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      sums.values[i] *= walk.scale;
    store_vector<kCount>(sums, small + to);
  });
}

template <int kCount>
Walk make_walk(const Resample2dShape& s) {
  return {.rows = s.small_rows(),
          .row_pieces = static_cast<int>(s.small_row_size() / kCount),
          .pieces = IndexDivisor(static_cast<int>(s.channels / kCount)),
          .large_row = s.large_row_size(),
          .channels = static_cast<int>(s.channels),
          .block_h = s.block_h,
          .block_w = s.block_w,
          .scale = static_cast<float>(s.scale)};
}

/// Queues one of the kernels, the one with wide pieces where every pixel begins at such a piece.
template <class T>
void launch_resample(const char* name, void (*wide)(const T*, T*, Walk),
                     void (*narrow)(const T*, T*, Walk), const T* x, T* y, const Resample2dShape& s,
                     Context& context) {
  constexpr std::int64_t kMostElements = std::int64_t{1} << 30;  // keeps indices below 2^31
  constexpr int kCount = kVectorWidth<T>;
  if (s.small_rows() * s.small_row_size() == 0) return;
  check(s.large_row_size() <= kMostElements, name, ": a row of ", s.width * s.block_w, "x",
        s.channels, " elements is more than 2^30");
  const bool in_pieces = s.channels % kCount == 0 && aligned_for<kCount>(x, y);
  const Walk walk = in_pieces ? make_walk<kCount>(s) : make_walk<1>(s);
  const dim3 block = row_block(walk.row_pieces);
  const unsigned columns = elementwise_grid(walk.row_pieces, context);
  const std::int64_t row_blocks = ceil_div(walk.rows, block.y);
  const unsigned blocks = elementwise_grid(row_blocks * columns * kElementwiseBlock, context);
  launch(LaunchConfig(name, dim3(columns, blocks / columns), block, context.stream),
         in_pieces ? wide : narrow, x, y, walk);
}

}  // namespace

template <class T>
void upsample2d(const T* small, T* large, const Resample2dShape& shape, Context& context) {
  launch_resample("upsample2d", upsample2d_kernel<kVectorWidth<T>, T>, upsample2d_kernel<1, T>,
                  small, large, shape, context);
}

template <class T>
void block_sum2d(const T* large, T* small, const Resample2dShape& shape, Context& context) {
  launch_resample("block_sum2d", block_sum2d_kernel<kVectorWidth<T>, T>, block_sum2d_kernel<1, T>,
                  large, small, shape, context);
}

#define WHISKER_INSTANTIATE(T)                                                 \
  template void upsample2d<T>(const T*, T*, const Resample2dShape&, Context&); \
  template void block_sum2d<T>(const T*, T*, const Resample2dShape&, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cuda
