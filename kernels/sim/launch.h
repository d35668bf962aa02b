// A kernel as the simulator queues and runs it.
#pragma once

#include <memory>
#include <tuple>
#include <utility>

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
  // One thread of the kernel is run(closure), which reads its arguments from there.
  void (*run)(const void* closure) = nullptr;
  std::shared_ptr<const void> closure;
  std::size_t closure_bytes = 0;
};

/// A kernel and its arguments.
template <class... Parameters>
struct KernelCall {
  void (*kernel)(Parameters...);
  std::tuple<std::decay_t<Parameters>...> values;

  static void run(const void* closure) {
    const auto& call = *static_cast<const KernelCall*>(closure);
    std::apply(call.kernel, call.values);
  }
};

/// Checks the configuration and queues the kernel on a stream.
cudaError_t enqueue_kernel(Launch launch, cudaStream_t stream);

}  // namespace whisker::inline v0_1::kernels::sim
