// A kernel as the simulator queues and runs it.
#pragma once

#include <functional>

#include <whisker/kernels/cuda/call_site.h>
#include <whisker/kernels/sim/runtime_api.h>

namespace whisker::inline v0_1::kernels::sim {

using cuda::CallSite;

struct Launch {
  const char* name = "";
  CallSite site;
  const void* function = nullptr;  // identifies the kernel in cudaFuncSetAttribute
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  std::function<void()> body;  // one thread
};

/// Checks the configuration and queues the kernel on a stream.
cudaError_t enqueue_kernel(Launch launch, cudaStream_t stream);

}  // namespace whisker::inline v0_1::kernels::sim
