#include <whisker/kernels/cuda/launch.h>

namespace whisker::inline v0_1::kernels::cuda {

void check_launch(cudaError_t error, const LaunchConfig& config) {
  if (error == cudaSuccess) [[likely]]
    return;
  const auto dims = [](dim3 d) { return str(d.x, "x", d.y, "x", d.z); };
  check_cuda(error,
             str(config.name, ": launch of ", dims(config.grid), " blocks of ", dims(config.block),
                 " threads with ", config.shared_bytes, " bytes of dynamic shared memory"),
             config.site);
}

}  // namespace whisker::inline v0_1::kernels::cuda
