#ifdef WHISKER_CUDA
#include "gpu_timer.h"

#include <algorithm>
#include <memory>

#include <whisker/kernels/cuda/error.h>
#include <whisker/kernels/cuda/runtime.h>

namespace whisker_bench {
namespace {

using whisker::kernels::cuda::check_cuda;

/// A point in a stream whose time is kept.
class TimedEvent {
 public:
  TimedEvent() {
    cudaEvent_t made = nullptr;
    check_cuda(cudaEventCreate(&made), "cudaEventCreate");
    event_.reset(made, [](cudaEvent_t event) { static_cast<void>(cudaEventDestroy(event)); });
  }
  void record(cudaStream_t stream) {
    check_cuda(cudaEventRecord(event_.get(), stream), "cudaEventRecord");
  }
  double microseconds_since(const TimedEvent& start) const {
    float milliseconds = 0.0F;
    check_cuda(cudaEventElapsedTime(&milliseconds, start.event_.get(), event_.get()),
               "cudaEventElapsedTime");
    return 1e3 * static_cast<double>(milliseconds);
  }

 private:
  std::shared_ptr<std::remove_pointer_t<cudaEvent_t>> event_;
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

GpuTimer::GpuTimer(whisker::kernels::cuda::Context& context, std::size_t flush_bytes)
    : context_(context), flush_bytes_(flush_bytes), flush_(context.allocate(flush_bytes)) {}

std::vector<double> GpuTimer::medians(const std::vector<Body>& bodies, int rounds) {
  for (const Body& body : bodies)
    body();
  std::vector<std::vector<double>> times(bodies.size());
  for (int round = 0; round < rounds; ++round) {
    std::vector<TimedEvent> starts(bodies.size()), ends(bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      // Takes long enough to queue what follows, so that launches do not count.
      check_cuda(cudaMemsetAsync(flush_.get(), round & 1, flush_bytes_, context_.stream),
                 "cudaMemsetAsync");
      starts[i].record(context_.stream);
      bodies[i]();
      ends[i].record(context_.stream);
    }
    whisker::kernels::cuda::synchronize(context_);
    for (std::size_t i = 0; i < bodies.size(); ++i)
      times[i].push_back(ends[i].microseconds_since(starts[i]));
  }
  std::vector<double> result;
  for (const auto& of_body : times)
    result.push_back(median(of_body));
  return result;
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
