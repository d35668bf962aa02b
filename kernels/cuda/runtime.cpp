#include <whisker/kernels/cuda/activity.h>
#include <whisker/kernels/cuda/current_device.h>
#include <whisker/kernels/cuda/runtime.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

/// The block, or null if `error` says that memory is short; another error is thrown.
std::byte* block_or_null(cudaError_t error, void* block, const char* call) {
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it was dealt with here, so the next check must not find it
    return nullptr;
  }
  check_cuda(error, call);
  return static_cast<std::byte*>(block);
}

}  // namespace

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();  // no driver is no error: the CPU serves
  return 0;
}

std::string count_problem() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess) return count > 0 ? "" : "the driver offers none";
  cudaGetLastError();
  if (error == cudaErrorInsufficientDriver)
    return "there is no NVIDIA driver, or one older than the CUDA of this build";
  return cudaGetErrorString(error);
}

void make_current(int device) {
  thread_local int current = -1;
  if (current == device) return;
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  current = device;
}

DeviceProperties device_properties(int device) {
  cudaDeviceProp all{};
  check_cuda(cudaGetDeviceProperties(&all, device), "cudaGetDeviceProperties");
  return {.name = all.name,
          .sm_count = attribute(cudaDevAttrMultiProcessorCount, device),
          .compute_capability = 10 * attribute(cudaDevAttrComputeCapabilityMajor, device) +
                                attribute(cudaDevAttrComputeCapabilityMinor, device),
          .max_shared_bytes =
              static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device))};
}

DeviceMemory device_memory(int device) {
  const CurrentDevice current(device);
  DeviceMemory memory;
  check_cuda(cudaMemGetInfo(&memory.free_bytes, &memory.total_bytes), "cudaMemGetInfo");
  return memory;
}

std::byte* allocate_device(std::size_t bytes, int device) {
  const CurrentDevice current(device);
  void* block = nullptr;
  const cudaError_t error = cudaMalloc(&block, bytes);
  return block_or_null(error, block, "cudaMalloc");
}

// Freeing happens in destructors. It fails only after a failed kernel, which the next call reports.
void free_device(std::byte* block) noexcept {
  static_cast<void>(cudaFree(block));
}

std::byte* allocate_pinned(std::size_t bytes) {
  void* block = nullptr;
  const cudaError_t error = cudaMallocHost(&block, bytes);
  return block_or_null(error, block, "cudaMallocHost");
}

void free_pinned(std::byte* block) noexcept {
  static_cast<void>(cudaFreeHost(block));
}

cudaStream_t make_stream(int device) {
  const CurrentDevice current(device);
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

void copy_async(const void* from, void* to, std::size_t bytes, Context& context) {
  if (bytes > 0)
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, context.stream),
               "cudaMemcpyAsync");
}

void synchronize(Context& context) {
  ++activity.waits;
  check_cuda(cudaStreamSynchronize(context.stream), "cudaStreamSynchronize");
}

Event::Event(Context& context) {
  const CurrentDevice current(context.device);
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  event_.reset(event, [](cudaEvent_t done) { cudaEventDestroy(done); });
}

void Event::record(Context& context) {
  check_cuda(cudaEventRecord(event_.get(), context.stream), "cudaEventRecord");
}

CapturedWork::CapturedWork(Context& context, const std::function<void()>& body) {
  const CurrentDevice current(context.device);
  // Relaxed: memory may be asked for meanwhile. What would wait for the stream fails all the same.
  check_cuda(cudaStreamBeginCapture(context.stream, cudaStreamCaptureModeRelaxed),
             "cudaStreamBeginCapture");
  cudaGraph_t graph = nullptr;
  try {
    body();
  } catch (...) {
    if (cudaStreamEndCapture(context.stream, &graph) == cudaSuccess) cudaGraphDestroy(graph);
    cudaGetLastError();  // the error that body() met is thrown
    throw;
  }
  check_cuda(cudaStreamEndCapture(context.stream, &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check_cuda(error, "cudaGraphInstantiate");
  executable_.reset(executable, [](cudaGraphExec_t e) { cudaGraphExecDestroy(e); });
}

void CapturedWork::queue(Context& context) const {
  check_cuda(cudaGraphLaunch(executable_.get(), context.stream), "cudaGraphLaunch");
}

bool is_captured(const Context& context) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(context.stream, &status), "cudaStreamIsCapturing");
  return status != cudaStreamCaptureStatusNone;
}

bool Event::reached() const {
  const cudaError_t state = cudaEventQuery(event_.get());
  if (state == cudaErrorNotReady) return false;
  check_cuda(state, "cudaEventQuery");
  return true;
}

}  // namespace whisker::inline v0_1::kernels::cuda
