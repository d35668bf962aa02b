// Fibers: stacks that one OS thread switches between, one for each CUDA thread that waits.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) || defined(WHISKER_SIM_UCONTEXT)
#define WHISKER_SIM_FIBER_UCONTEXT 1
#include <ucontext.h>
#endif

namespace whisker::inline v0_1::kernels::sim {

/// Kernels whose local arrays need more than this meet the guard page.
inline constexpr std::size_t kStackBytes = 64 * 1024;

class Fiber {
 public:
  /// The stack that the OS thread runs on already.
  Fiber() = default;
  /// A new stack of kStackBytes with a guard page below; throws OutOfMemory.
  static Fiber* create();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next switch to this fiber calls entry, which must not return, on an empty stack.
  void prepare(void (*entry)());
  /// Leaves `from`, on which the caller runs; returns when somebody switches back to it.
  static void switch_to(Fiber& from, Fiber& to);
  /// To be called first by every entry, of the fiber that it runs on.
  void entered();

  bool holds(const void* address) const {
    const auto* byte = static_cast<const std::byte*>(address);
    return byte >= stack_ && byte < stack_ + kStackBytes;
  }

 private:
  std::byte* stack_ = nullptr;
#ifdef WHISKER_SIM_FIBER_UCONTEXT
  ucontext_t context_{};
#else
  void* stack_pointer_ = nullptr;
#endif
  void* fake_stack_ = nullptr;  // AddressSanitizer's, while the fiber is left
};

}  // namespace whisker::inline v0_1::kernels::sim
