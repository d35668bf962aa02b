// Capturing a graph with memory of its own.
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <whisker/core/backend.h>
#include <whisker/kernels/cuda/runtime.h>

namespace whisker::inline v0_1 {
namespace {

using kernels::Buffer;
namespace cuda = kernels::cuda;

/// Blocks from the device's pool that are kept for one graph: its kernels use them in every replay.
class GraphMemory : public std::enable_shared_from_this<GraphMemory> {
 public:
  explicit GraphMemory(std::function<Buffer(std::size_t)> device_pool)
      : device_pool_(std::move(device_pool)),
        pool_({.name = "memory of a graph",
               .alignment = 256,
               .take =
                   [this](std::size_t bytes) {
                     return blocks_.emplace_back(device_pool_(bytes)).get();
                   },
               .give_back = [](std::byte*) {},
               .describe_rest = {}}) {}

  /// What a launch dropped serves the next one, as outside of graphs.
  Buffer allocate(std::size_t bytes) {
    Buffer block = pool_.allocate(bytes);
    std::byte* address = block.get();
    return {address, [self = shared_from_this(), block = std::move(block)](std::byte*) mutable {
              block.reset();  // before the pool that it goes back to
            }};
  }

 private:
  std::function<Buffer(std::size_t)> device_pool_;
  std::vector<Buffer> blocks_;
  MemoryPool pool_;
};

/// Redirects what is allocated on a device, for a scope.
class AllocationScope {
 public:
  AllocationScope(cuda::Context& context, std::function<Buffer(std::size_t)> allocate)
      : context_(context), previous_(std::exchange(context.allocate, std::move(allocate))) {}
  ~AllocationScope() { context_.allocate = std::move(previous_); }
  AllocationScope(const AllocationScope&) = delete;
  AllocationScope& operator=(const AllocationScope&) = delete;

 private:
  cuda::Context& context_;
  std::function<Buffer(std::size_t)> previous_;
};

}  // namespace

std::function<void()> capture_with_cuda(Device device, const std::function<void()>& body) {
  cuda::Context& context = cuda_context(device.index);
  const auto memory = std::make_shared<GraphMemory>(context.allocate);
  const AllocationScope scope(context,
                              [memory](std::size_t bytes) { return memory->allocate(bytes); });
  return [memory, graph = cuda::CapturedWork(context, body), &context] { graph.queue(context); };
}

}  // namespace whisker::inline v0_1
