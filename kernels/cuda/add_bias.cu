// A block takes whole rows of y [rows, channels], its threads the channels: no division.
#include <whisker/kernels/cuda/add_bias.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kElementwiseBlock)
    add_bias_kernel(const float* __restrict__ bias, T* __restrict__ y, std::int64_t rows,
                    std::int64_t channels) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.y;
  for (std::int64_t row = std::int64_t{blockIdx.x} * blockDim.y + threadIdx.y; row < rows;
       row += step)
    for (std::int64_t c = threadIdx.x; c < channels; c += blockDim.x) {
      T& element = y[row * channels + c];
      element = T(static_cast<float>(element) + bias[c]);
    }
}

}  // namespace

template <class T>
void add_bias(const float* bias, T* y, std::int64_t size, std::int64_t channels, Context& context) {
  if (size == 0) return;
  const std::int64_t rows = size / channels;
  const dim3 block = row_block(channels);
  const unsigned grid = elementwise_grid(rows * block.x, context);
  launch(LaunchConfig("add_bias", grid, block, context.stream), add_bias_kernel<T>, bias, y, rows,
         channels);
}

template void add_bias(const float*, float*, std::int64_t, std::int64_t, Context&);
template void add_bias(const float*, bfloat16*, std::int64_t, std::int64_t, Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
