// Host memory that is kept for reuse between training steps.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

#include <whisker/kernels/context.h>

namespace whisker::inline v0_1 {

/// A best-fit pool of 64-byte aligned blocks: a training step asks for the same sizes as the one
/// before, so after the first step nothing is asked of the operating system. Thread-safe.
class MemoryPool {
 public:
  struct Stats {
    std::size_t used_bytes = 0;    // handed out now
    std::size_t peak_bytes = 0;    // most that was ever handed out
    std::size_t cached_bytes = 0;  // waiting for reuse
  };

  /// The pool of the process; it is never destroyed, so static tensors may outlive main().
  static MemoryPool& host();

  /// At least `bytes` bytes; the content is undefined. Throws OutOfMemory.
  kernels::Buffer allocate(std::size_t bytes);

  /// Gives the cached blocks back to the operating system.
  void trim();
  Stats stats() const;

 private:
  void give_back(std::byte* block, std::size_t bytes);

  mutable std::mutex mutex_;
  std::multimap<std::size_t, std::byte*> free_blocks_;
  Stats stats_;
};

/// The context that ops hand to CPU kernels.
kernels::cpu::Context& cpu_context();

}  // namespace whisker::inline v0_1
