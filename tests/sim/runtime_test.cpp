// The simulator's runtime API: memory, streams, events, graphs and their errors.
#include <cstring>
#include <memory>
#include <vector>

#include <whisker/kernels/cuda/error.h>
#include <whisker/kernels/sim/asan.h>
#include <whisker/kernels/sim/config.h>

#include "catch.h"
#include "cuda/device_array.h"
#include "cuda/launch_test_kernels.h"
#include "file_fixtures.h"

using namespace whisker;
using namespace whisker::testing;
using file_fixtures::ContainsSubstring;
using kernels::cuda::Context;

namespace {

class TestStream {
 public:
  TestStream() {
    REQUIRE(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking) == cudaSuccess);
  }
  ~TestStream() { static_cast<void>(cudaStreamDestroy(stream_)); }
  TestStream(const TestStream&) = delete;
  TestStream& operator=(const TestStream&) = delete;
  operator cudaStream_t() const { return stream_; }
  Context context() const {
    Context context = test_context();
    context.stream = stream_;
    return context;
  }

 private:
  cudaStream_t stream_ = nullptr;
};

class TestEvent {
 public:
  TestEvent() { REQUIRE(cudaEventCreate(&event_) == cudaSuccess); }
  ~TestEvent() { static_cast<void>(cudaEventDestroy(event_)); }
  TestEvent(const TestEvent&) = delete;
  TestEvent& operator=(const TestEvent&) = delete;
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

struct PinnedFloats {
  explicit PinnedFloats(std::size_t count) {
    REQUIRE(cudaMallocHost(&data, count * sizeof(float)) == cudaSuccess);
    std::fill_n(data, count, 0.0f);
  }
  ~PinnedFloats() { static_cast<void>(cudaFreeHost(data)); }
  PinnedFloats(const PinnedFloats&) = delete;
  PinnedFloats& operator=(const PinnedFloats&) = delete;
  float* data = nullptr;
};

std::string last_text() {
  return cudaGetErrorString(cudaGetLastError());
}

}  // namespace

TEST_CASE("New device memory is NaN, aligned, and gone after its release", "[sim]") {
  float* memory = nullptr;
  REQUIRE(cudaMalloc(&memory, 100 * sizeof(float)) == cudaSuccess);
  CHECK(reinterpret_cast<std::uintptr_t>(memory) % 256 == 0);
  CHECK(std::isnan(memory[99]));
  CHECK(cudaFree(memory) == cudaSuccess);
  CHECK(cudaFree(memory) == cudaErrorInvalidValue);
  CHECK_THAT(last_text(), ContainsSubstring("no allocation begins there"));
}

TEST_CASE("More memory than the device has is refused, and that is not sticky", "[sim]") {
  void* memory = &memory;
  CHECK(cudaMalloc(&memory, std::size_t{1} << 40) == cudaErrorMemoryAllocation);
  CHECK(memory == nullptr);
  CHECK(cudaPeekAtLastError() == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK_THROWS_AS(test_context().allocate(std::size_t{1} << 40), OutOfMemory);
}

TEST_CASE("The null stream is refused", "[sim]") {
  float value = 0.0f;
  const DeviceArray<float> array(1);
  CHECK(cudaMemcpyAsync(&value, array.get(), sizeof value, cudaMemcpyDefault, nullptr) ==
        cudaErrorInvalidResourceHandle);
  CHECK_THAT(last_text(), ContainsSubstring("name a stream"));
}

TEST_CASE("Copies outside an allocation are refused", "[sim]") {
  const TestStream stream;
  float* memory = nullptr;
  REQUIRE(cudaMalloc(&memory, 8 * sizeof(float)) == cudaSuccess);
  std::vector<float> host(9);
  CHECK(cudaMemcpyAsync(memory, host.data(), 9 * sizeof(float), cudaMemcpyHostToDevice, stream) ==
        cudaErrorInvalidValue);
  CHECK_THAT(last_text(), ContainsSubstring("36 bytes at byte 0 of an allocation of 32 bytes"));
  CHECK(cudaMemsetAsync(memory + 7, 0, 8, stream) == cudaErrorInvalidValue);
  CHECK(cudaFree(memory) == cudaSuccess);
}

TEST_CASE("A copy to where it comes from is refused", "[sim]") {
  const TestStream stream;
  const DeviceArray<int> memory(8);
  const auto copy_three = [&](int to, int from) {
    return cudaMemcpyAsync(memory.get() + to, memory.get() + from, 3 * sizeof(int),
                           cudaMemcpyDeviceToDevice, stream);
  };
  CHECK(copy_three(2, 0) == cudaErrorInvalidValue);
  CHECK_THAT(last_text(), ContainsSubstring("source and destination of 12 bytes overlap"));
  CHECK(copy_three(0, 2) == cudaErrorInvalidValue);
  CHECK(copy_three(3, 0) == cudaSuccess);
}

TEST_CASE("Work waits until somebody waits for it", "[sim]") {
  const TestStream stream;
  Context context = stream.context();
  const DeviceArray<float> x(std::vector<float>{1.0f, 2.0f}), y(std::vector<float>{1.0f, 1.0f});
  synchronize();
  const PinnedFloats host(2);
  saxpy(1.0f, x.get(), y.get(), 2, context);
  REQUIRE(cudaMemcpyAsync(host.data, y.get(), 8, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  CHECK(host.data[1] == 0.0f);
  CHECK(cudaStreamQuery(stream) == cudaErrorNotReady);
  REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(host.data[1] == 3.0f);
  CHECK(cudaStreamQuery(stream) == cudaSuccess);
}

TEST_CASE("Copies from pageable memory read it at once", "[sim]") {
  const DeviceArray<float> array(1);
  std::vector<float> host{5.0f};
  REQUIRE(cudaMemcpyAsync(array.get(), host.data(), 4, cudaMemcpyDefault, test_context().stream) ==
          cudaSuccess);
  host[0] = 6.0f;
  CHECK(array.download()[0] == 5.0f);
}

TEST_CASE("An event makes one stream wait for another", "[sim]") {
  const TestStream producer, consumer;
  const TestEvent written, read;
  Context first = producer.context(), second = consumer.context();
  const DeviceArray<float> x(std::vector<float>{1.0f}), y(std::vector<float>{0.0f}),
      z(std::vector<float>{0.0f});
  synchronize();
  saxpy(2.0f, x.get(), y.get(), 1, first);
  REQUIRE(cudaEventRecord(written, producer) == cudaSuccess);
  REQUIRE(cudaStreamWaitEvent(consumer, written) == cudaSuccess);
  saxpy(10.0f, y.get(), z.get(), 1, second);
  REQUIRE(cudaEventRecord(read, consumer) == cudaSuccess);
  CHECK(cudaEventQuery(read) == cudaErrorNotReady);
  REQUIRE(cudaEventSynchronize(read) == cudaSuccess);
  CHECK(cudaEventQuery(written) == cudaSuccess);
  float milliseconds = -1.0f;
  REQUIRE(cudaEventElapsedTime(&milliseconds, written, read) == cudaSuccess);
  CHECK(milliseconds >= 0.0f);
  CHECK(z.download()[0] == 20.0f);
}

TEST_CASE("An event comes to those who ask again", "[sim]") {
  const TestStream stream;
  const TestEvent written;
  Context context = stream.context();
  const DeviceArray<float> x(std::vector<float>{1.0f}), y(std::vector<float>{0.0f});
  synchronize();
  saxpy(2.0f, x.get(), y.get(), 1, context);
  REQUIRE(cudaEventRecord(written, stream) == cudaSuccess);
  int asked = 0;
  while (cudaEventQuery(written) == cudaErrorNotReady)
    ++asked;
  CHECK(asked == 3);  // in vain, for the kernel, and for the event itself
  CHECK(y.download()[0] == 2.0f);
}

TEST_CASE("A captured fork and join replays in any order", "[sim]") {
  using kernels::sim::Order;
  for (const Order order : {Order::kForward, Order::kReverse, Order::kRandom}) {
    kernels::sim::Config config = kernels::sim::config();
    config.order = order;
    const kernels::sim::ConfigScope scope(config);
    const TestStream stream, branch;
    const TestEvent fork, join;
    Context context = stream.context(), other = branch.context();
    const DeviceArray<float> one(std::vector<float>{1.0f}), x(std::vector<float>{0.0f}),
        y(std::vector<float>{0.0f});
    synchronize();
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    saxpy(1.0f, one.get(), x.get(), 1, context);  // x += 1
    REQUIRE(cudaEventRecord(fork, stream) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(branch, fork) == cudaSuccess);
    saxpy(1.0f, x.get(), y.get(), 1, other);  // y += x
    REQUIRE(cudaEventRecord(join, branch) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(stream, join) == cudaSuccess);
    saxpy(1.0f, y.get(), x.get(), 1, context);  // x += y
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    cudaGraphExec_t executable = nullptr;
    REQUIRE(cudaGraphInstantiate(&executable, graph) == cudaSuccess);
    REQUIRE(cudaGraphDestroy(graph) == cudaSuccess);
    for (int replay = 0; replay < 3; ++replay)
      REQUIRE(cudaGraphLaunch(executable, stream) == cudaSuccess);
    REQUIRE(cudaGraphExecDestroy(executable) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
    // (x, y): (0, 0), (2, 1), (7, 4), (20, 12)
    CHECK(x.download()[0] == 20.0f);
    CHECK(y.download()[0] == 12.0f);
  }
}

TEST_CASE("A capture that is not joined, or in which the host waits, is refused", "[sim]") {
  const TestStream stream, branch;
  const TestEvent fork;
  Context other = branch.context();
  const DeviceArray<float> x(std::vector<float>{0.0f});
  synchronize();
  cudaGraph_t graph = nullptr;
  SECTION("not joined") {
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
    REQUIRE(cudaEventRecord(fork, stream) == cudaSuccess);
    REQUIRE(cudaStreamWaitEvent(branch, fork) == cudaSuccess);
    saxpy(1.0f, x.get(), x.get(), 1, other);
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureUnjoined);
  }
  SECTION("synchronised") {
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
    CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
    cudaStreamCaptureStatus status{};
    REQUIRE(cudaStreamIsCapturing(stream, &status) == cudaSuccess);
    CHECK(status == cudaStreamCaptureStatusInvalidated);
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
  }
  SECTION("allocated") {
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
    void* memory = nullptr;
    CHECK(cudaMalloc(&memory, 16) == cudaErrorStreamCaptureUnsupported);
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
  }
  CHECK(graph == nullptr);
}

TEST_CASE("A failed kernel makes every later call fail until the reset", "[sim]") {
  if (kernels::sim::kAddressSanitizer) SKIP("the sanitizer ends the process");
  float* memory = nullptr;
  REQUIRE(cudaMalloc(&memory, 4 * sizeof(float)) == cudaSuccess);
  const DeviceArray<float> x(std::vector<float>(5, 1e38f)), y(std::vector<float>(5, 1.0f));
  synchronize();
  saxpy(1.0f, x.get(), memory, 5, test_context());  // one element too many
  std::string message;
  try {
    synchronize();
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK_THAT(message, ContainsSubstring("saxpy") && ContainsSubstring("launch_test_kernels.cu:"));
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK_THROWS_AS(saxpy(1.0f, x.get(), y.get(), 5, test_context()), Error);
  kernels::sim::reset();
  CHECK(cudaGetLastError() == cudaSuccess);
  saxpy(0.0f, x.get(), y.get(), 5, test_context());
  CHECK(y.download()[4] == 1.0f);
  CHECK(cudaFree(memory) == cudaSuccess);
}
