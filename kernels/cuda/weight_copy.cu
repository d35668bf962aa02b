#include <algorithm>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/gpu.h>
#include <whisker/kernels/cuda/weight_copy.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    bfloat16_copy_kernel(const float* __restrict__ weight, bfloat16* __restrict__ copy,
                         std::int64_t size) {
  const std::int64_t threads = std::int64_t{gridDim.x} * kThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; i < size; i += threads)
    copy[i] = bfloat16(weight[i]);
}

}  // namespace

Buffer bfloat16_copy(Weight<float> weight, std::int64_t size, Context& context) {
  const auto make = [&] {
    Buffer copy = context.allocate(static_cast<std::size_t>(size) * sizeof(bfloat16));
    const std::int64_t blocks = (size + kThreads - 1) / kThreads;
    const auto grid =
        static_cast<unsigned>(std::min<std::int64_t>(blocks, std::int64_t{16} * context.sm_count));
    launch(LaunchConfig("bfloat16_copy", grid, kThreads, context.stream), bfloat16_copy_kernel,
           weight.data, reinterpret_cast<bfloat16*>(copy.get()), size);
    return copy;
  };
  return weight.packed != nullptr ? weight.packed->get(kBfloat16Layout, make) : make();
}

}  // namespace whisker::inline v0_1::kernels::cuda
