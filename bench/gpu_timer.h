// Times work on a GPU by its own clock.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include <whisker/kernels/cuda/context.h>

namespace whisker_bench {

using Body = std::function<void()>;

class GpuTimer {
 public:
  /// flush_bytes: several times the size of L2.
  GpuTimer(whisker::kernels::cuda::Context& context, std::size_t flush_bytes);

  /// The median time of each body, in microseconds. They take turns, so that a clock that drifts
  /// drifts for all. Each is run once beforehand, and L2 holds nothing of theirs when they begin.
  std::vector<double> medians(const std::vector<Body>& bodies, int rounds);

 private:
  whisker::kernels::cuda::Context& context_;
  std::size_t flush_bytes_;
  whisker::kernels::Buffer flush_;
};

}  // namespace whisker_bench
