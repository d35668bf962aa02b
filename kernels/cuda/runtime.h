// The host's side of a GPU: what is there, memory, and copies. Everything is checked and throws
// Error with the runtime's own text.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include <whisker/kernels/cuda/context.h>

namespace whisker::inline v0_1::kernels::cuda {

/// GPUs that the driver offers; 0 where there is no driver. Never throws.
int device_count();
/// Why device_count() is 0 in the runtime's words; empty if it is not.
std::string count_problem();
/// The lowest compute capability that the kernels are compiled for, as 10 * major + minor.
inline constexpr int kMinComputeCapability = 80;
/// Makes the device that of this thread's launches.
void make_current(int device);

struct DeviceProperties {
  std::string name;                          // "NVIDIA H200"
  int sm_count = 0, compute_capability = 0;  // 90 is 9.0
  std::size_t max_shared_bytes = 0;          // dynamic shared memory that one block may have
};
DeviceProperties device_properties(int device);

struct DeviceMemory {
  std::size_t free_bytes = 0, total_bytes = 0;
};
DeviceMemory device_memory(int device);

/// Null when the device or the host has no more.
std::byte* allocate_device(std::size_t bytes, int device);
void free_device(std::byte* block) noexcept;
std::byte* allocate_pinned(std::size_t bytes);
void free_pinned(std::byte* block) noexcept;

/// A stream of its own, not ordered with the null stream.
cudaStream_t make_stream(int device);

/// Queues a copy between any two of device, page-locked and ordinary memory. Ordinary memory is
/// read before the call returns, page-locked memory in stream order.
void copy_async(const void* from, void* to, std::size_t bytes, Context& context);
/// Waits for everything queued on the context's stream.
void synchronize(Context& context);

/// A point in a stream that the host can ask about.
class Event {
 public:
  explicit Event(Context& context);
  /// Marks the end of what is queued now.
  void record(Context& context);
  bool reached() const;

 private:
  std::shared_ptr<std::remove_pointer_t<cudaEvent_t>> event_;
};

/// What a function queued on a stream, recorded as a CUDA graph.
class CapturedWork {
 public:
  /// Records what body() queues on the context's stream; nothing of it runs. Throws Error, as
  /// body() does for calls that wait.
  CapturedWork(Context& context, const std::function<void()>& body);
  /// Queues the work again.
  void queue(Context& context) const;

 private:
  std::shared_ptr<std::remove_pointer_t<cudaGraphExec_t>> executable_;
};

/// Whether the context's stream is being recorded.
bool is_captured(const Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
