#include <whisker/kernels/cuda/sum_parts.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kElementwiseBlock)
    sum_parts_kernel(const float* __restrict__ parts, T* __restrict__ y, std::int64_t size,
                     int count) {
  const std::int64_t threads = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size;
       i += threads) {
    float sum = parts[i];
#pragma unroll 4
    for (int part = 1; part < count; ++part)  // unrolled, so that loads overlap
      sum += parts[part * size + i];
    y[i] = T(sum);
  }
}

}  // namespace

template <class T>
void sum_parts(const float* parts, T* y, std::int64_t size, int count, Context& context) {
  const LaunchConfig config("sum_parts", elementwise_grid(size, context), kElementwiseBlock,
                            context.stream);
  launch(config, sum_parts_kernel<T>, parts, y, size, count);
}

template void sum_parts<float>(const float*, float*, std::int64_t, int, Context&);
template void sum_parts<bfloat16>(const float*, bfloat16*, std::int64_t, int, Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
