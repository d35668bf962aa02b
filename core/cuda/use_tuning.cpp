// Apart from the reader of the file, which needs no kernels.
#include <whisker/core/cuda/tuning.h>

namespace whisker::inline v0_1 {

void use_tuning(int device, const Tuning& rows) {
  kernels::cuda::set_tuned_conv2d(device, rows.conv2d);
  kernels::cuda::set_tuned_matmul(device, rows.matmul);
  kernels::cuda::set_tuned_batch_norm(device, rows.batch_norm);
}

}  // namespace whisker::inline v0_1
