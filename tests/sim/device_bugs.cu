// Bugs with device memory, atomics and streams. The test finds the lines by their "bug:" comments.
#include <whisker/kernels/cuda/gpu.h>

#include <memory>

#include "run_kernel.h"

namespace whisker::testing {
namespace {

using kernels::cuda::check_cuda;
using kernels::cuda::launch;
using kernels::cuda::LaunchConfig;

constexpr unsigned kThreads = 64, kBlocks = 3;

LaunchConfig on(cudaStream_t stream, const char* name, unsigned blocks = 1) {
  return LaunchConfig(name, blocks, kThreads, stream);
}
LaunchConfig blocks_of(const char* name, unsigned blocks = 1) {
  return on(test_context().stream, name, blocks);
}
bool broken(Variant variant) { return variant == Variant::kBroken; }

__global__ void write_ones_kernel(int* result, unsigned count) {
  for (unsigned i = threadIdx.x; i < count; i += kThreads)
    result[i] = 1;  // bug: write_past_end
}

__global__ void shifted_copy_kernel(const int* x, int* result, unsigned shift) {
  result[threadIdx.x] = x[threadIdx.x + shift];  // bug: read_past_end
}

__global__ void add_one_kernel(const int* x, int* result) {
  result[threadIdx.x] = x[threadIdx.x] + 1;  // bug: missing_event_before_read
}

__global__ void overwrite_kernel(int* x) {
  x[threadIdx.x] = 0;  // bug: missing_event_before_overwrite
}

__global__ void vector_kernel(const int* x, int* result) {
  if (threadIdx.x > 0) return;
  const int4 four = *reinterpret_cast<const int4*>(x);  // bug: misaligned_vector
  *reinterpret_cast<int4*>(result) = four;
}

template <Variant kVariant>
__global__ void count_kernel(int* result) {
  if (threadIdx.x > 0) return;
  if constexpr (kVariant == Variant::kBroken) {
    result[0] += 1;  // bug: blocks_add_without_atomics
  } else {
    atomicAdd(&result[0], 1);
  }
}

template <Variant kVariant>
__global__ void count_and_store_kernel(int* result) {
  if (threadIdx.x > 0) return;
  if (kVariant == Variant::kBroken && blockIdx.x == 1) {
    result[0] = 3;  // bug: atomic_and_store
  } else {
    atomicAdd(&result[0], 1);
  }
}

/// The block that finishes last adds what all have written.
template <Variant kVariant>
__global__ void last_block_kernel(int* partial, int* arrived, int* result) {
  WHISKER_SHARED(int, is_last, [1]);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = static_cast<int>(blockIdx.x) + 1;
    if constexpr (kVariant == Variant::kCorrect) __threadfence();
    is_last[0] = atomicAdd(arrived, 1) == static_cast<int>(gridDim.x) - 1;
    __threadfence();
  }
  __syncthreads();
  if (is_last[0] == 0 || threadIdx.x != 1) return;
  int sum = 0;
  for (unsigned block = 0; block < gridDim.x; ++block)
    sum += partial[block];  // bug: last_block_without_fence
  result[0] = sum;
}

/// A second stream, for a scope.
class OtherStream {
 public:
  OtherStream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream"); }
  ~OtherStream() { static_cast<void>(cudaStreamDestroy(stream_)); }
  OtherStream(const OtherStream&) = delete;
  OtherStream& operator=(const OtherStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// What `later` does comes after what `earlier` did so far.
void order(cudaStream_t earlier, cudaStream_t later) {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
  check_cuda(cudaEventRecord(event, earlier), "record");
  check_cuda(cudaStreamWaitEvent(later, event), "wait");
  check_cuda(cudaEventDestroy(event), "event");
}

std::vector<int> filled(std::size_t count, int value) { return std::vector<int>(count, value); }

}  // namespace

Outcome write_past_end(Variant variant) {
  const DeviceArray<int> result(kThreads);
  launch(blocks_of("write_ones"), write_ones_kernel, result.get(),
         kThreads + (broken(variant) ? 1 : 0));
  return outcome_of(result, filled(kThreads, 1));
}

Outcome read_past_end(Variant variant) {
  const DeviceArray<int> x(filled(kThreads, 5)), result(kThreads);
  launch(blocks_of("shifted_copy"), shifted_copy_kernel, x.get(), result.get(),
         broken(variant) ? 1u : 0u);
  return outcome_of(result, filled(kThreads, 5));
}

Outcome uninitialised_device_read(Variant variant) {
  const DeviceArray<int> x(kThreads), result(kThreads);
  if (!broken(variant))
    launch(blocks_of("write_ones"), write_ones_kernel, x.get(), kThreads);
  launch(blocks_of("shifted_copy"), shifted_copy_kernel, x.get(), result.get(), 0u);
  return outcome_of(result, filled(kThreads, 1));
}

Outcome use_after_free(Variant variant) {
  const DeviceArray<int> result(kThreads);
  auto x = std::make_unique<DeviceArray<int>>(filled(kThreads, 5));
  const int* elements = x->get();
  if (broken(variant)) x.reset();
  launch(blocks_of("shifted_copy"), shifted_copy_kernel, elements, result.get(), 0u);
  return outcome_of(result, filled(kThreads, 5));
}

Outcome misaligned_vector(Variant variant) {
  const DeviceArray<int> x(filled(8, 5)), result(4);
  launch(blocks_of("vector"), vector_kernel, x.get() + (broken(variant) ? 1 : 0), result.get());
  return outcome_of(result, filled(4, 5));
}

Outcome pageable_pointer(Variant variant) {
  const DeviceArray<int> x(filled(kThreads, 5)), result(kThreads);
  const std::vector<int> host = filled(kThreads, 5);
  launch(blocks_of("shifted_copy"), shifted_copy_kernel, broken(variant) ? host.data() : x.get(),
         result.get(), 0u);
  return outcome_of(result, filled(kThreads, 5));
}

Outcome blocks_add_without_atomics(Variant variant) {
  const DeviceArray<int> result(filled(1, 0));
  launch(blocks_of("count", kBlocks),
         broken(variant) ? count_kernel<Variant::kBroken> : count_kernel<Variant::kCorrect>,
         result.get());
  return outcome_of(result, filled(1, kBlocks));
}

Outcome atomic_and_store(Variant variant) {
  const DeviceArray<int> result(filled(1, 0));
  launch(blocks_of("count_and_store", kBlocks),
         broken(variant) ? count_and_store_kernel<Variant::kBroken>
                         : count_and_store_kernel<Variant::kCorrect>,
         result.get());
  return outcome_of(result, filled(1, kBlocks));
}

Outcome last_block_without_fence(Variant variant) {
  const DeviceArray<int> partial(kBlocks), arrived(filled(1, 0)), result(1);
  launch(blocks_of("last_block", kBlocks),
         broken(variant) ? last_block_kernel<Variant::kBroken>
                         : last_block_kernel<Variant::kCorrect>,
         partial.get(), arrived.get(), result.get());
  return outcome_of(result, filled(1, 6));
}

Outcome missing_event_before_read(Variant variant) {
  const OtherStream other;
  const DeviceArray<int> x(filled(kThreads, 7)), result(kThreads);
  synchronize();
  launch(on(other.get(), "write_ones"), write_ones_kernel, x.get(), kThreads);
  if (!broken(variant)) order(other.get(), test_context().stream);
  launch(blocks_of("add_one"), add_one_kernel, x.get(), result.get());
  Outcome outcome = outcome_of(result, filled(kThreads, 2));
  if (outcome.report.empty() && cudaStreamSynchronize(other.get()) != cudaSuccess)
    outcome.report = cudaGetErrorString(cudaGetLastError());
  return outcome;
}

Outcome missing_event_before_overwrite(Variant variant) {
  const OtherStream other;
  const DeviceArray<int> x(filled(kThreads, 7)), result(kThreads);
  launch(blocks_of("add_one"), add_one_kernel, x.get(), result.get());
  if (!broken(variant)) order(test_context().stream, other.get());
  launch(on(other.get(), "overwrite"), overwrite_kernel, x.get());
  Outcome outcome = outcome_of(result, filled(kThreads, 8));
  if (outcome.report.empty() && cudaStreamSynchronize(other.get()) != cudaSuccess)
    outcome.report = cudaGetErrorString(cudaGetLastError());
  return outcome;
}

Outcome missing_edge_in_graph(Variant variant) {
  const OtherStream other;
  cudaStream_t stream = test_context().stream;
  const DeviceArray<int> x(filled(kThreads, 7)), result(kThreads);
  synchronize();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  order(stream, other.get());
  launch(on(other.get(), "write_ones"), write_ones_kernel, x.get(), kThreads);
  if (!broken(variant)) order(other.get(), stream);
  launch(blocks_of("add_one"), add_one_kernel, x.get(), result.get());
  order(other.get(), stream);
  check_cuda(cudaStreamEndCapture(stream, &graph), "capture");
  check_cuda(cudaGraphInstantiate(&executable, graph), "instantiate");
  check_cuda(cudaGraphLaunch(executable, stream), "graph");
  const Outcome outcome = outcome_of(result, filled(kThreads, 2));
  static_cast<void>(cudaGraphExecDestroy(executable));
  static_cast<void>(cudaGraphDestroy(graph));
  return outcome;
}

Outcome freed_while_in_use(Variant variant) {
  const OtherStream other;
  const DeviceArray<int> result(kThreads);
  void* memory = nullptr;
  check_cuda(cudaMallocAsync(&memory, kThreads * sizeof(int), other.get()), "malloc");
  auto* x = static_cast<int*>(memory);
  launch(on(other.get(), "write_ones"), write_ones_kernel, x, kThreads);
  order(other.get(), test_context().stream);
  launch(blocks_of("add_one"), add_one_kernel, x, result.get());
  if (!broken(variant)) order(test_context().stream, other.get());
  check_cuda(cudaFreeAsync(x, other.get()), "free");
  Outcome outcome = outcome_of(result, filled(kThreads, 2));
  if (outcome.report.empty() && cudaStreamSynchronize(other.get()) != cudaSuccess)
    outcome.report = cudaGetErrorString(cudaGetLastError());
  return outcome;
}

}  // namespace whisker::testing
