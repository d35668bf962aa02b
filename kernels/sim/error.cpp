#include <mutex>

#include <whisker/kernels/sim/error.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

struct State {
  std::mutex mutex;
  cudaError_t sticky = cudaSuccess, last = cudaSuccess;
  std::string report, explanation;  // of sticky and of last
  std::string text;                 // what cudaGetErrorString returned
};

State& state() {
  static State instance;
  return instance;
}

const char* name_of(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnjoined:
      return "capture was not ended in the same stream as it began, or a fork was not joined";
    case cudaErrorStreamCaptureWrongThread:
      return "attempt to terminate a thread-local capture sequence from another thread";
  }
  return "unrecognized error code";
}

}  // namespace

void set_sticky_error(std::string&& report) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (s.sticky != cudaSuccess) return;
  s.sticky = cudaErrorLaunchFailure;
  s.report = std::move(report);
}

cudaError_t set_error(cudaError_t error, std::string&& explanation) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.last = error;
  s.explanation = std::move(explanation);
  return error;
}

cudaError_t sticky_error() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  return s.sticky;
}

void clear_errors() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.sticky = s.last = cudaSuccess;
  s.report.clear();
  s.explanation.clear();
}

}  // namespace whisker::inline v0_1::kernels::sim

using whisker::kernels::sim::state;

cudaError_t cudaPeekAtLastError() {
  auto& s = state();
  const std::lock_guard lock(s.mutex);
  return s.sticky != cudaSuccess ? s.sticky : s.last;
}

cudaError_t cudaGetLastError() {
  auto& s = state();
  const std::lock_guard lock(s.mutex);
  const cudaError_t error = s.sticky != cudaSuccess ? s.sticky : s.last;
  s.last = cudaSuccess;
  return error;
}

const char* cudaGetErrorString(cudaError_t error) {
  auto& s = state();
  const std::lock_guard lock(s.mutex);
  s.text = whisker::kernels::sim::name_of(error);
  const std::string& detail = error == s.sticky ? s.report : s.explanation;
  if (error != cudaSuccess && !detail.empty()) s.text += ": " + detail;
  return s.text.c_str();
}
