// Devices, memory, copies, streams and events of the runtime API.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/checker.h>
#include <whisker/kernels/sim/error.h>
#include <whisker/kernels/sim/memory.h>
#include <whisker/kernels/sim/shared_arena.h>
#include <whisker/kernels/sim/stream.h>

using namespace whisker::kernels::sim;
using whisker::str;

namespace {

/// The device with its lock held.
class Locked {
 public:
  Locked() : lock_(device_.mutex) {}
  Device* operator->() const { return &device_; }

 private:
  Device& device_ = Device::instance();
  std::unique_lock<std::recursive_mutex> lock_;
};

cudaError_t capture_forbids(const char* call) {
  return set_error(cudaErrorStreamCaptureUnsupported,
                   str(call, ": not while a stream is being captured"));
}

/// Device memory that lacks some of the bytes makes a copy fail at once.
std::string outside(const void* address, std::size_t bytes) {
  const DeviceMemory& memory = DeviceMemory::instance();
  if (bytes == 0 || !memory.holds(address) || memory.valid(address, bytes)) return "";
  return str(bytes, " bytes at ", memory.describe(address));
}

void note_copy(const void* address, std::size_t bytes, Access kind) {
  if constexpr (kChecking) {
    if (DeviceMemory::instance().holds(address)) checker::access(address, bytes, kind, 0);
  }
}

void finish_operation() {
  if constexpr (kChecking) {
    if (std::string report = checker::take_report(); !report.empty())
      set_sticky_error(std::move(report));
  }
}

}  // namespace

// Devices

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device == 0) return sticky_error();
  return set_error(cudaErrorInvalidDevice, "the simulator has device 0 only");
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device != 0) return set_error(cudaErrorInvalidDevice, "the simulator has device 0 only");
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = 132;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(kSharedLimit);
      break;
  }
  return sticky_error();
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return set_error(cudaErrorInvalidDevice, "the simulator has device 0 only");
  *properties = {.name = "whisker simulator"};
  return sticky_error();
}

cudaError_t cudaDeviceSynchronize() {
  const Locked device;
  if (device->forbidden_by_capture()) return capture_forbids("cudaDeviceSynchronize");
  device->drain_all();
  return sticky_error();
}

// Memory

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  const Locked device;
  *pointer = nullptr;
  if (device->forbidden_by_capture()) return capture_forbids("cudaMalloc");
  if (sticky_error() != cudaSuccess) return sticky_error();
  if (bytes == 0) return cudaSuccess;
  *pointer = DeviceMemory::instance().allocate(bytes);
  if (*pointer) return cudaSuccess;
  return set_error(cudaErrorMemoryAllocation,
                   str(bytes, " bytes wanted, ", DeviceMemory::instance().used(), " of ",
                       DeviceMemory::kBytes, " in use"));
}

cudaError_t cudaFree(void* pointer) {
  const Locked device;
  if (!pointer) return cudaSuccess;
  if (device->forbidden_by_capture()) return capture_forbids("cudaFree");
  device->drain_all();
  if (DeviceMemory::instance().release(pointer)) return sticky_error();
  return set_error(cudaErrorInvalidValue, "cudaFree: no allocation begins there");
}

cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t stream) {
  const Locked device;
  *pointer = nullptr;
  if (const cudaError_t error = device->usable(stream, "cudaMallocAsync"); error != cudaSuccess)
    return error;
  if (bytes == 0) return cudaSuccess;
  *pointer = DeviceMemory::instance().allocate(bytes);
  if (!*pointer)
    return set_error(cudaErrorMemoryAllocation,
                     str(bytes, " bytes wanted, ", DeviceMemory::instance().used(), " of ",
                         DeviceMemory::kBytes, " in use"));
  // A graph keeps its addresses for every replay.
  if (stream->capture)
    stream->capture->graph.allocations.emplace_back(
        *pointer, [](void* memory) { DeviceMemory::instance().release(memory); });
  return cudaSuccess;
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  const Locked device;
  if (!pointer) return cudaSuccess;
  const cudaError_t error = device->usable(stream, "cudaFreeAsync");
  if (error != cudaSuccess && error != cudaErrorLaunchFailure) return error;
  if (stream->capture) return cudaSuccess;
  const DeviceMemory::Allocation allocation = DeviceMemory::instance().nearest(pointer);
  if (allocation.begin != pointer)
    return set_error(cudaErrorInvalidValue, "cudaFreeAsync: no allocation begins there");
  device->enqueue(*stream, {.name = "cudaFreeAsync",
                            .run =
                                [allocation] {
                                  note_copy(allocation.begin, allocation.bytes, Access::kWrite);
                                  finish_operation();
                                  DeviceMemory::instance().release(allocation.begin);
                                },
                            .even_after_failure = true});
  return error;
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  *pointer = allocate_pinned(bytes);
  if (*pointer) return sticky_error();
  return set_error(cudaErrorMemoryAllocation, str(bytes, " bytes of pinned memory"));
}

cudaError_t cudaFreeHost(void* pointer) {
  const Locked device;
  if (!pointer) return cudaSuccess;
  if (device->forbidden_by_capture()) return capture_forbids("cudaFreeHost");
  device->drain_all();
  if (release_pinned(pointer)) return sticky_error();
  return set_error(cudaErrorInvalidValue, "cudaFreeHost: no allocation begins there");
}

cudaError_t cudaMemGetInfo(std::size_t* available, std::size_t* total) {
  const Locked device;
  *total = DeviceMemory::kBytes;
  *available = DeviceMemory::kBytes - DeviceMemory::instance().used();
  return sticky_error();
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  const Locked device;
  if (const cudaError_t error = device->usable(stream, "cudaMemcpyAsync"); error != cudaSuccess)
    return error;
  for (const void* side : {static_cast<const void*>(to), from})
    if (const std::string why = outside(side, bytes); !why.empty())
      return set_error(cudaErrorInvalidValue, str("cudaMemcpyAsync: ", why));
  if (bytes == 0) return cudaSuccess;
  const auto distance =
      std::abs(static_cast<const std::byte*>(to) - static_cast<const std::byte*>(from));
  if (static_cast<std::size_t>(distance) < bytes)  // CUDA does not say what then is copied
    return set_error(cudaErrorInvalidValue,
                     str("cudaMemcpyAsync: source and destination of ", bytes, " bytes overlap"));
  const auto pageable = [](const void* address) {
    return !DeviceMemory::instance().holds(address) && !is_pinned(address);
  };
  // The runtime stages what it copies from pageable memory before it returns.
  std::shared_ptr<std::vector<std::byte>> staged;
  if (pageable(from) && !stream->capture) {
    const auto* first = static_cast<const std::byte*>(from);
    staged = std::make_shared<std::vector<std::byte>>(first, first + bytes);
  }
  device->enqueue(*stream, {.name = "cudaMemcpyAsync", .run = [=] {
                              const void* source = staged ? staged->data() : from;
                              note_copy(source, bytes, Access::kRead);
                              note_copy(to, bytes, Access::kWrite);
                              std::memcpy(to, source, bytes);
                              finish_operation();
                            }});
  if (pageable(to) && !stream->capture) {
    device->drain(*stream, stream->queued);
    join(device->host, stream->clock);
  }
  return sticky_error();
}

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  const Locked device;
  if (const cudaError_t error = device->usable(stream, "cudaMemsetAsync"); error != cudaSuccess)
    return error;
  if (bytes == 0) return cudaSuccess;
  if (!DeviceMemory::instance().valid(pointer, bytes))
    return set_error(cudaErrorInvalidValue, str("cudaMemsetAsync: ", bytes, " bytes at ",
                                                DeviceMemory::instance().describe(pointer)));
  device->enqueue(*stream, {.name = "cudaMemsetAsync", .run = [=] {
                              note_copy(pointer, bytes, Access::kWrite);
                              std::memset(pointer, value, bytes);
                              finish_operation();
                            }});
  return cudaSuccess;
}

// Streams

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Locked device;
  *stream = nullptr;
  if (sticky_error() != cudaSuccess) return sticky_error();
  *stream = new Stream;
  (*stream)->id = device->next_stream++;
  device->streams.push_back(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Locked device;
  const cudaError_t error = device->usable(stream, "cudaStreamDestroy");
  if (error != cudaSuccess && error != cudaErrorLaunchFailure) return error;
  device->drain(*stream, stream->queued);
  std::erase(device->streams, stream);
  for (Event* event : device->events)
    if (event->stream == stream) event->stream = nullptr;  // it has been reached
  delete stream;
  return error;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Locked device;
  if (const cudaError_t error = device->usable(stream, "cudaStreamSynchronize");
      error != cudaSuccess)
    return error;
  if (stream->capture) {
    stream->capture->invalidated = true;
    return capture_forbids("cudaStreamSynchronize");
  }
  device->drain(*stream, stream->queued);
  join(device->host, stream->clock);
  return sticky_error();
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const Locked device;
  if (const cudaError_t error = device->usable(stream, "cudaStreamQuery"); error != cudaSuccess)
    return error;
  if (stream->capture) {
    stream->capture->invalidated = true;
    return capture_forbids("cudaStreamQuery");
  }
  if (stream->queue.empty()) {
    join(device->host, stream->clock);
    return sticky_error();
  }
  device->drain(*stream, stream->done + 1);
  return cudaErrorNotReady;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
  const Locked device;
  if (const cudaError_t error = device->usable(stream, "cudaLaunchHostFunc"); error != cudaSuccess)
    return error;
  device->enqueue(*stream, {.name = "cudaLaunchHostFunc", .run = [=] { function(data); }});
  return cudaSuccess;
}

// Events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const Locked device;
  *event = new Event;
  device->events.push_back(*event);
  return sticky_error();
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Locked device;
  const cudaError_t error = device->usable(event, "cudaEventDestroy");
  if (error != cudaSuccess && error != cudaErrorLaunchFailure) return error;
  std::erase(device->events, event);
  delete event;
  return error;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Locked device;
  for (const cudaError_t error :
       {device->usable(event, "cudaEventRecord"), device->usable(stream, "cudaEventRecord")})
    if (error != cudaSuccess) return error;
  event->capture = stream->capture;
  event->was_captured = stream->capture != nullptr;
  event->frontier = stream->frontier;
  if (stream->capture) return cudaSuccess;
  event->time = std::make_shared<std::chrono::steady_clock::time_point>();
  device->enqueue(*stream, {.name = "cudaEventRecord", .run = [time = event->time] {
                              *time = std::chrono::steady_clock::now();
                            }});
  event->stream = stream;
  event->sequence = stream->queued;
  event->clock = stream->clock;
  event->asked_for = false;
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Locked device;
  for (const cudaError_t error : {device->usable(event, "cudaStreamWaitEvent"),
                                  device->usable(stream, "cudaStreamWaitEvent")})
    if (error != cudaSuccess) return error;
  if (event->was_captured) {
    const auto capture = event->capture.lock();
    if (!capture || (stream->capture && stream->capture != capture))
      return set_error(cudaErrorInvalidValue,
                       "cudaStreamWaitEvent: the event was recorded in another capture");
    stream->capture = capture;
    for (const std::size_t node : event->frontier)
      if (std::find(stream->frontier.begin(), stream->frontier.end(), node) ==
          stream->frontier.end())
        stream->frontier.push_back(node);
    return cudaSuccess;
  }
  if (stream->capture)
    return set_error(cudaErrorStreamCaptureUnsupported,
                     "cudaStreamWaitEvent: the event was recorded outside the capture");
  if (!event->stream) return cudaSuccess;
  join(stream->clock, event->clock);
  device->enqueue(*stream, {.name = "cudaStreamWaitEvent",
                            .run = [producer = event->stream, sequence = event->sequence] {
                              Device& all = Device::instance();
                              const auto& live = all.streams;
                              // A destroyed stream has run to its end.
                              if (std::find(live.begin(), live.end(), producer) != live.end())
                                all.drain(*producer, sequence);
                            }});
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Locked device;
  if (const cudaError_t error = device->usable(event, "cudaEventSynchronize"); error != cudaSuccess)
    return error;
  if (event->was_captured) return capture_forbids("cudaEventSynchronize");
  if (event->stream) device->drain(*event->stream, event->sequence);
  join(device->host, event->clock);
  return sticky_error();
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Locked device;
  if (const cudaError_t error = device->usable(event, "cudaEventQuery"); error != cudaSuccess)
    return error;
  if (event->was_captured) return capture_forbids("cudaEventQuery");
  if (!event->stream || event->stream->done >= event->sequence) {
    join(device->host, event->clock);
    return sticky_error();
  }
  // Whoever asks for one event after another must not thereby finish what the first one promised.
  if (std::exchange(event->asked_for, true)) device->drain(*event->stream, event->stream->done + 1);
  return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const Locked device;
  for (const cudaError_t error :
       {device->usable(start, "cudaEventElapsedTime"), device->usable(end, "cudaEventElapsedTime")})
    if (error != cudaSuccess) return error;
  const auto reached = [](const Event* event) {
    return event->time && *event->time != std::chrono::steady_clock::time_point{};
  };
  if (!reached(start) || !reached(end)) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *start->time).count();
  return cudaSuccess;
}
