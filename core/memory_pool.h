// Memory that is kept for reuse between training steps.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include <whisker/kernels/context.h>

namespace whisker::inline v0_1 {

/// Where a pool gets its blocks.
struct MemorySource {
  std::string name;                                   // begins the message when there is no more
  std::size_t alignment = 0;                          // bytes; blocks are multiples of it
  std::function<std::byte*(std::size_t bytes)> take;  // null when there is no more
  std::function<void(std::byte* block)> give_back;
  std::function<std::string()> describe_rest;  // what else the message should say; may be empty
};

/// The operating system's memory, 64-byte aligned.
MemorySource host_memory();

/// A best-fit pool of aligned blocks: a training step asks for the same sizes as the one before, so
/// after the first step nothing is asked of the source. Thread-safe.
class MemoryPool {
 public:
  struct Stats {
    std::size_t used_bytes = 0;    // handed out now
    std::size_t peak_bytes = 0;    // most that was ever handed out
    std::size_t cached_bytes = 0;  // waiting for reuse
  };

  explicit MemoryPool(MemorySource source) : source_(std::move(source)) {}
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  /// The pool of host_memory(); it is never destroyed, so static tensors may outlive main().
  static MemoryPool& host();

  /// At least `bytes` bytes; the content is undefined. Throws OutOfMemory. The pool must outlive
  /// the buffer.
  kernels::Buffer allocate(std::size_t bytes);

  /// Gives the cached blocks back to the source.
  void trim();
  Stats stats() const;

 private:
  std::size_t round_up(std::size_t bytes) const;
  void put_back(std::byte* block, std::size_t bytes);

  MemorySource source_;
  mutable std::mutex mutex_;
  std::multimap<std::size_t, std::byte*> free_blocks_;
  Stats stats_;
};

/// The context that ops hand to CPU kernels.
kernels::cpu::Context& cpu_context();

}  // namespace whisker::inline v0_1
