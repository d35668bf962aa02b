// What tensors need of a GPU: its context, its memory, and copies to and from it.
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <whisker/core/backend.h>
#include <whisker/core/cuda/tuning.h>
#include <whisker/kernels/cuda/runtime.h>

namespace whisker::inline v0_1 {
namespace {

namespace cuda = kernels::cuda;

std::string describe_rest(int device) {
  const auto [free_bytes, total_bytes] = cuda::device_memory(device);
  return str(", ", free_bytes >> 20, " of ", total_bytes >> 20, " MiB free on the device");
}

MemoryPool& pinned_pool() {
  static MemoryPool& pool = *new MemoryPool({.name = "page-locked memory",
                                             .alignment = 256,
                                             .take = cuda::allocate_pinned,
                                             .give_back = cuda::free_pinned,
                                             .describe_rest = {}});
  return pool;
}

/// One GPU: one stream, on which everything runs in order, so a block that is dropped can be handed
/// out again at once.
class Gpu {
 public:
  explicit Gpu(int index)
      : pool_({.name = str("memory of cuda:", index),
               .alignment = 256,
               .take = [this](std::size_t bytes) { return take(bytes); },
               .give_back = cuda::free_device,
               .describe_rest = [index] { return describe_rest(index); }}) {
    const cuda::DeviceProperties properties = cuda::device_properties(index);
    context_.allocate = [this](std::size_t bytes) { return pool_.allocate(bytes); };
    context_.stream = cuda::make_stream(index);
    context_.device = index;
    context_.sm_count = properties.sm_count;
    context_.max_shared_bytes = properties.max_shared_bytes;
    const char* tuning = std::getenv("WHISKER_TUNING");
    if (tuning != nullptr && *tuning != '\0')
      use_tuning(index, read_tuning(tuning, properties.name));
  }

  cuda::Context& context() { return context_; }

  /// Through page-locked memory that is kept until the stream has read it, so nobody waits.
  void upload(const std::byte* from, std::byte* to, std::size_t bytes) {
    check_not_captured();
    const std::lock_guard lock(mutex_);
    while (!uploads_.empty() && uploads_.front().done.reached())
      uploads_.pop_front();
    uploads_.push_back({pinned_pool().allocate(bytes), cuda::Event(context_)});
    Upload& upload = uploads_.back();
    std::copy_n(from, bytes, upload.staging.get());
    cuda::copy_async(upload.staging.get(), to, bytes, context_);
    upload.done.record(context_);
  }

  void download(const std::byte* from, std::byte* to, std::size_t bytes) {
    check_not_captured();
    const kernels::Buffer staging = pinned_pool().allocate(bytes);
    cuda::copy_async(from, staging.get(), bytes, context_);
    cuda::synchronize(context_);
    std::copy_n(staging.get(), bytes, to);
  }

 private:
  struct Upload {
    kernels::Buffer staging;
    cuda::Event done;
  };

  std::byte* take(std::size_t bytes) {
    std::byte* block = cuda::allocate_device(bytes, context_.device);
    // Null would make the pool free blocks, which waits for the device and so spoils a recording.
    if (block == nullptr && cuda::is_captured(context_))
      throw OutOfMemory(str("memory of cuda:", context_.device, ": ", bytes >> 20,
                            " MiB wanted by a recording, ", pool_.stats().used_bytes >> 20,
                            " MiB in use", describe_rest(context_.device)));
    return block;
  }

  /// A replay would read or write the page-locked memory of the recording, which others have then.
  void check_not_captured() const {
    check(!cuda::is_captured(context_), "graph: a copy between host and GPU cannot be recorded");
  }

  MemoryPool pool_;
  cuda::Context context_;
  std::mutex mutex_;
  std::deque<Upload> uploads_;
};

/// Never destroyed: static tensors may outlive main(), and the driver shuts down by itself.
Gpu& gpu(int index) {
  static std::mutex& mutex = *new std::mutex;
  static auto& gpus = *new std::vector<std::unique_ptr<Gpu>>;
  const std::lock_guard lock(mutex);
  if (gpus.empty()) gpus.resize(static_cast<std::size_t>(cuda::device_count()));
  check(index >= 0 && static_cast<std::size_t>(index) < gpus.size(), "device: cuda:", index,
        " was asked for, ", gpus.size(), gpus.size() == 1 ? " GPU is" : " GPUs are",
        " usable here; see nvidia-smi, or use cpu");
  auto& found = gpus[static_cast<std::size_t>(index)];
  if (!found) found = std::make_unique<Gpu>(index);
  return *found;
}

}  // namespace

int cuda_device_count() {
  return cuda::device_count();
}

std::string cuda_device_problem(int index) {
  const int count = cuda::device_count();
  if (count == 0) return cuda::count_problem();
  if (index >= count) return str(count, count == 1 ? " GPU is there" : " GPUs are there");
  const int capability = cuda::device_properties(index).compute_capability;
  if (capability >= cuda::kMinComputeCapability) return {};
  return str("its compute capability is ", capability / 10, ".", capability % 10,
             ", the kernels want 8.0 or more");
}

kernels::cuda::Context& cuda_context(int index) {
  kernels::cuda::Context& context = gpu(index).context();
  cuda::make_current(index);
  if (context.tf32 != tf32_allowed()) context.tf32 = tf32_allowed();
  return context;
}

kernels::Buffer allocate_with_cuda(std::size_t bytes, Device device) {
  return gpu(device.index).context().allocate(bytes);
}

void copy_bytes_with_cuda(const std::byte* from, Device from_device, std::byte* to,
                          Device to_device, std::size_t bytes) {
  if (from_device.type == Device::Type::cpu) return gpu(to_device.index).upload(from, to, bytes);
  Gpu& source = gpu(from_device.index);
  if (to_device.type == Device::Type::cpu) return source.download(from, to, bytes);
  if (to_device.index == from_device.index) {
    cuda::Context& context = source.context();
    if (static_cast<std::size_t>(std::abs(to - from)) >= bytes)
      return cuda::copy_async(from, to, bytes, context);
    // Views of one tensor; CUDA does not say what a copy to where it comes from leaves there.
    const kernels::Buffer between = context.allocate(bytes);
    cuda::copy_async(from, between.get(), bytes, context);
    return cuda::copy_async(between.get(), to, bytes, context);
  }
  // Streams of two GPUs are not ordered: the block may still be in use there, and soon will be.
  cuda::synchronize(gpu(to_device.index).context());
  cuda::copy_async(from, to, bytes, source.context());
  cuda::synchronize(source.context());
}

}  // namespace whisker::inline v0_1
