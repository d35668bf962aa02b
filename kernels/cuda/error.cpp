#include <whisker/kernels/cuda/error.h>

namespace whisker::inline v0_1::kernels::cuda {

void check_cuda(cudaError_t error, std::string_view what, CallSite site) {
  if (error == cudaSuccess) [[likely]]
    return;
  // Takes the error off the runtime's record, so that the next call is not blamed for it.
  static_cast<void>(cudaGetLastError());
  const std::string message = str(what, ": ", cudaGetErrorString(error), " (", site, ")");
  if (error == cudaErrorMemoryAllocation) throw OutOfMemory(message);
  throw Error(message);
}

}  // namespace whisker::inline v0_1::kernels::cuda
