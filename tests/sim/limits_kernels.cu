// Launches at the limits of a block.
#include <whisker/kernels/cuda/gpu.h>

#include "limits.h"

namespace whisker::testing {
namespace {

__global__ void nothing_kernel() {}

__global__ void dynamic_kernel(unsigned bytes, int* result) {
  WHISKER_DYNAMIC_SHARED(memory);
  memory[bytes - 1] = static_cast<unsigned char>(threadIdx.x);
  result[0] = memory[bytes - 1] + (reinterpret_cast<std::uintptr_t>(memory) % 1024 == 0 ? 1 : 0);
}

__global__ void large_static_kernel(int* result) {
  WHISKER_SHARED(int, large, [12 * 1024 + 1]);
  large[0] = 1;
  result[0] = large[0];
}

}  // namespace

void launch_nothing(dim3 grid, dim3 block) {
  kernels::cuda::launch(
      kernels::cuda::LaunchConfig("nothing", grid, block, test_context().stream), nothing_kernel);
}

int dynamic_shared(unsigned bytes) {
  const DeviceArray<int> result(1);
  kernels::cuda::launch(
      kernels::cuda::LaunchConfig("dynamic", 1, 1, test_context().stream, bytes), dynamic_kernel,
      bytes, result.get());
  return result.download()[0];
}

int large_static_shared() {
  const DeviceArray<int> result(1);
  kernels::cuda::launch(kernels::cuda::LaunchConfig("large_static", 1, 1, test_context().stream),
                        large_static_kernel, result.get());
  return result.download()[0];
}

}  // namespace whisker::testing
