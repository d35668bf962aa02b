// What a process has asked of its GPUs so far, for tests and benchmarks of what a step costs.
#pragma once

#include <atomic>
#include <cstdint>

namespace whisker::inline v0_1::kernels::cuda {

struct Activity {
  std::atomic<std::uint64_t> launches{0};  // by launch(), those captured in a graph among them
  std::atomic<std::uint64_t> waits{0};     // of the host for a stream
};
inline Activity activity;

}  // namespace whisker::inline v0_1::kernels::cuda
