// The one way to start a kernel: checked, and an error names the kernel and the call.
#pragma once

#include <array>
#include <tuple>
#include <utility>

#include <whisker/kernels/cuda/activity.h>
#include <whisker/kernels/cuda/error.h>
#ifdef WHISKER_SIM
#include <whisker/kernels/sim/launch.h>
#endif

namespace whisker::inline v0_1::kernels::cuda {

/// How a kernel is started. The site is where the LaunchConfig is written.
struct LaunchConfig {
  LaunchConfig(const char* kernel_name, dim3 grid_dim, dim3 block_dim, cudaStream_t on_stream,
               std::size_t dynamic_shared_bytes = 0, CallSite call_site = CallSite::here())
      : name(kernel_name),
        grid(grid_dim),
        block(block_dim),
        stream(on_stream),
        shared_bytes(dynamic_shared_bytes),
        site(call_site) {}

  const char* name;
  dim3 grid, block;
  cudaStream_t stream;
  std::size_t shared_bytes;
  CallSite site;
};

/// Throws Error with the kernel's name, its configuration and the site unless `error` is
/// cudaSuccess.
void check_launch(cudaError_t error, const LaunchConfig& config);

/// Above this, a kernel must be told beforehand how much dynamic shared memory it gets.
inline constexpr std::size_t kDefaultSharedLimit = 48 * 1024;

/// Queues the kernel on config.stream; throws Error if the configuration is impossible.
template <class... Parameters, class... Arguments>
void launch(const LaunchConfig& config, void (*kernel)(Parameters...), Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument per parameter");
  ++activity.launches;
  const auto* function = reinterpret_cast<const void*>(kernel);
  if (config.shared_bytes > kDefaultSharedLimit) {
    check_launch(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      static_cast<int>(config.shared_bytes)),
                 config);
  }
  std::tuple<std::decay_t<Parameters>...> values(std::forward<Arguments>(arguments)...);
#ifdef WHISKER_SIM
  using Call = sim::KernelCall<Parameters...>;
  check_launch(sim::enqueue_kernel({.name = config.name,
                                    .site = config.site,
                                    .function = function,
                                    .grid = config.grid,
                                    .block = config.block,
                                    .shared_bytes = config.shared_bytes,
                                    .run = Call::run,
                                    .closure = std::make_shared<const Call>(Call{kernel, values}),
                                    .closure_bytes = sizeof(Call)},
                                   config.stream),
               config);
#else
  std::apply(
      [&](auto&... value) {
        std::array<void*, sizeof...(value) + 1> pointers{static_cast<void*>(&value)...};
        check_launch(cudaLaunchKernel(function, config.grid, config.block, pointers.data(),
                                      config.shared_bytes, config.stream),
                     config);
      },
      values);
#endif
}

}  // namespace whisker::inline v0_1::kernels::cuda
