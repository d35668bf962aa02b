#include "device_array.h"

namespace whisker::testing {
namespace {

using kernels::Buffer;
using kernels::cuda::check_cuda;
using kernels::cuda::Context;

Context make_context(cudaStream_t stream) {
  const auto attribute = [](cudaDeviceAttr wanted) {
    int value = 0;
    check_cuda(cudaDeviceGetAttribute(&value, wanted, 0), "cudaDeviceGetAttribute");
    return value;
  };
  Context context;
  context.stream = stream;
  context.sm_count = attribute(cudaDevAttrMultiProcessorCount);
  context.max_shared_bytes =
      static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
  context.allocate = [stream](std::size_t bytes) {
    void* memory = nullptr;
    check_cuda(cudaMallocAsync(&memory, bytes, stream), "cudaMallocAsync");
    // An error here is reported by the next call that waits for the stream.
    return Buffer(static_cast<std::byte*>(memory), [stream](std::byte* pointer) {
      static_cast<void>(cudaFreeAsync(pointer, stream));
    });
  };
  return context;
}

cudaStream_t make_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

}  // namespace

Context& test_context() {
  static Context context = make_context(make_stream());
  return context;
}

Context& test_context_tf32() {
  static Context context = [] {
    Context copy = test_context();
    copy.tf32 = true;
    return copy;
  }();
  return context;
}

Context& test_context_small() {
  static Context context = [] {
    Context copy = test_context();
    copy.sm_count = 1;
    return copy;
  }();
  return context;
}

void synchronize() {
  check_cuda(cudaStreamSynchronize(test_context().stream), "cudaStreamSynchronize");
}

}  // namespace whisker::testing
