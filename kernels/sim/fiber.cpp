#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/asan.h>
#include <whisker/kernels/sim/fiber.h>

#ifndef WHISKER_SIM_FIBER_UCONTEXT
// Saves the registers that the System V ABI lets a callee keep, then takes the other stack. Ten
// times as fast as swapcontext, which also saves the signal mask with a system call. Floating-point
// control words are not saved: no kernel changes them.
extern "C" void whisker_sim_switch(void** saved_stack_pointer, void* stack_pointer);
asm(R"(
.text
.p2align 4
.globl whisker_sim_switch
.hidden whisker_sim_switch
.type whisker_sim_switch,@function
whisker_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size whisker_sim_switch, .-whisker_sim_switch
)");
#endif

namespace whisker::inline v0_1::kernels::sim {
namespace {

constexpr std::size_t kGuardBytes = 4096;

#ifdef WHISKER_SIM_ASAN
struct OwnStack {
  void* bottom = nullptr;
  std::size_t bytes = 0;

  OwnStack() {
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &bottom, &bytes);
    pthread_attr_destroy(&attributes);
  }
};
#endif

}  // namespace

Fiber* Fiber::create() {
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check<OutOfMemory>(memory != MAP_FAILED, "simulator: no memory for the stack of a thread");
  mprotect(memory, kGuardBytes, PROT_NONE);
  auto* fiber = new Fiber;
  fiber->stack_ = static_cast<std::byte*>(memory) + kGuardBytes;
  return fiber;
}

Fiber::~Fiber() {
  if (!stack_) return;
  unpoison(stack_, kStackBytes);
  munmap(stack_ - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fiber::prepare(void (*entry)()) {
  unpoison(stack_, kStackBytes);  // what an abandoned thread left there
#ifdef WHISKER_SIM_FIBER_UCONTEXT
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = kStackBytes;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
#else
  // As after a call: the stack is 8 bytes off a multiple of 16, under a return address of null that
  // ends backtraces. Below it is what whisker_sim_switch pops.
  auto** top = reinterpret_cast<void**>(stack_ + kStackBytes - 64);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; ++saved)
    *--top = nullptr;
  stack_pointer_ = top;
#endif
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
#ifdef WHISKER_SIM_ASAN
  static thread_local const OwnStack own;
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_ ? to.stack_ : own.bottom,
                                 to.stack_ ? kStackBytes : own.bytes);
#endif
#ifdef WHISKER_SIM_FIBER_UCONTEXT
  swapcontext(&from.context_, &to.context_);
#else
  whisker_sim_switch(&from.stack_pointer_, to.stack_pointer_);
#endif
#ifdef WHISKER_SIM_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::entered() {
#ifdef WHISKER_SIM_ASAN
  // The fake stack of an abandoned thread serves the next one; its frames are all below this one,
  // and so are free after the second call. A new one each time would never be freed.
  __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
  __asan_handle_no_return();
#endif
}

}  // namespace whisker::inline v0_1::kernels::sim
