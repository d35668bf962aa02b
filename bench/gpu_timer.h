// Times work on a GPU by its own clock.
#pragma once

#include <functional>
#include <vector>

#include <whisker/kernels/cuda/context.h>

namespace whisker_bench {

using Body = std::function<void()>;

class GpuTimer {
 public:
  explicit GpuTimer(whisker::kernels::cuda::Context& context);

  /// The median time of each body, in microseconds. They take turns, so that a clock that drifts
  /// drifts for all. Each is run once beforehand, and L2 holds nothing of theirs when they begin.
  std::vector<double> medians(const std::vector<Body>& bodies, int rounds);

 private:
  whisker::kernels::cuda::Context& context_;
  whisker::kernels::Buffer flush_;
};

}  // namespace whisker_bench
