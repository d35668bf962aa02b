#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include <whisker/core/memory_pool.h>
#include <whisker/kernels/check.h>

namespace whisker::inline v0_1 {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Address sanitizer can only see a use after free if freed blocks are not handed out again.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kReuse = false;
#else
constexpr bool kReuse = true;
#endif

std::byte* ask_system(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  // aligned_alloc wants a multiple of the alignment; pages that are never touched cost nothing.
  const std::size_t padded = (bytes + alignment - 1) / alignment * alignment;
  void* block = std::aligned_alloc(alignment, padded);
  if (block && bytes >= kHugePage) madvise(block, padded, MADV_HUGEPAGE);
  return static_cast<std::byte*>(block);
}

}  // namespace

MemorySource host_memory() {
  return {.name = "memory",
          .alignment = 64,
          .take = ask_system,
          .give_back = [](std::byte* block) { std::free(block); },
          .describe_rest = {}};
}

MemoryPool& MemoryPool::host() {
  static MemoryPool& pool = *new MemoryPool(host_memory());
  return pool;
}

std::size_t MemoryPool::round_up(std::size_t bytes) const {
  const std::size_t unit =
      bytes >= kHugePage ? std::max(std::size_t{4096}, source_.alignment) : source_.alignment;
  return std::max((bytes + unit - 1) / unit * unit, source_.alignment);
}

kernels::Buffer MemoryPool::allocate(std::size_t bytes) {
  check<OutOfMemory>(bytes <= std::size_t{1} << 62, source_.name, ": a request of ", bytes,
                     " bytes");
  const std::size_t size = round_up(bytes);
  std::size_t granted = size;
  std::byte* block = nullptr;
  {
    const std::lock_guard lock(mutex_);
    // A block may be up to a quarter too large: tighter wastes reuse, looser wastes memory.
    const auto fit = free_blocks_.lower_bound(size);
    if (fit != free_blocks_.end() && fit->first <= size + size / 4) {
      granted = fit->first;
      block = fit->second;
      stats_.cached_bytes -= granted;
      free_blocks_.erase(fit);
    }
  }
  if (!block) block = source_.take(size);
  if (!block) {
    trim();
    block = source_.take(size);
  }
  {
    const std::lock_guard lock(mutex_);
    if (!block)
      throw OutOfMemory(str(source_.name, ": ", size >> 20, " MiB wanted, ",
                            stats_.used_bytes >> 20, " MiB in use",
                            source_.describe_rest ? source_.describe_rest() : "",
                            ": use a smaller batch or smaller nets"));
    stats_.used_bytes += granted;
    stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.used_bytes);
  }
  // Without the lock: where there is no memory for a Buffer's count, it puts the block back itself.
  return kernels::Buffer(block, [this, granted](std::byte* p) { put_back(p, granted); });
}

void MemoryPool::put_back(std::byte* block, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  stats_.used_bytes -= bytes;
  if (kReuse) {
    try {
      free_blocks_.emplace(bytes, block);
      stats_.cached_bytes += bytes;
      return;
    } catch (const std::bad_alloc&) {
      // There is no memory for the note that it is free.
    }
  }
  source_.give_back(block);
}

void MemoryPool::trim() {
  const std::lock_guard lock(mutex_);
  for (const auto& [bytes, block] : free_blocks_)
    source_.give_back(block);
  free_blocks_.clear();
  stats_.cached_bytes = 0;
}

MemoryPool::Stats MemoryPool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

kernels::cpu::Context& cpu_context() {
  static kernels::cpu::Context context{
      [](std::size_t bytes) { return MemoryPool::host().allocate(bytes); }};
  return context;
}

}  // namespace whisker::inline v0_1
