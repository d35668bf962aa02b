// Runs one block: a scheduler of fibers, its barrier, and the collective operations of its warps.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <whisker/kernels/sim/async_copy.h>
#include <whisker/kernels/sim/config.h>
#include <whisker/kernels/sim/fiber.h>
#include <whisker/kernels/sim/hopper.h>
#include <whisker/kernels/sim/launch.h>
#include <whisker/kernels/sim/shared_arena.h>
#include <whisker/kernels/sim/thread.h>

namespace whisker::inline v0_1::kernels::sim {

/// A condition that a thread waits for.
struct Condition {
  bool (*holds)(const void* state);
  const void* state;
};

/// A thread as the scheduler sees it.
struct SimThread : Thread {
  enum class State { kUnstarted, kRunnable, kWaiting, kExited };

  State state = State::kUnstarted;
  Fiber* fiber = nullptr;
  const char* waits_in = "";
  CallSite site;
  Condition condition{};
};

/// One per OS thread. Fibers start lazily: a fiber runs one thread after another, and only when a
/// thread waits does the next one get another fiber.
class BlockRunner {
 public:
  BlockRunner() = default;
  BlockRunner(const BlockRunner&) = delete;
  BlockRunner& operator=(const BlockRunner&) = delete;

  /// The one that runs on this OS thread; null outside kernels.
  static BlockRunner* current();

  /// Runs one block; empty, or what went wrong.
  std::string run(const Launch& launch, std::uint64_t block_rank);

  // For code that runs in a thread of the block:
  int barrier(BarrierResult wanted, int predicate, CallSite site);
  void collective(unsigned mask, const char* name, void* argument, CollectiveBody body,
                  CallSite site);
  /// Returns when the condition holds; `what` is for reports.
  void wait_until(Condition condition, const char* what, CallSite site);
  /// Work of an asynchronous engine: done when no thread can go on, or at random in random order.
  void add_engine_work(std::function<void()> work) { engine_.push_back(std::move(work)); }
  [[noreturn]] void fail(std::string&& what);

  SharedArena& shared() { return shared_; }
  SimThread& thread(unsigned rank) { return threads_[rank]; }
  unsigned thread_count() const { return thread_count_; }
  CopyQueue& copies(unsigned rank) { return copies_[rank]; }
  HopperState& hopper() { return hopper_; }
  /// Whether the memory is the current thread's own: its stack, its arguments, its built-ins.
  bool may_touch(const void* address) const;
  /// "kernel k (launched at file:line), block (0,0,0)[, thread (0,0,0)]".
  std::string where(const Thread* thread) const;

 private:
  struct Collective {
    unsigned mask, arrived;
    const char* name;
    CallSite site;
    std::array<void*, kWarpSize> arguments;
  };
  struct Warp {
    unsigned alive = 0;                 // lanes that have not exited
    std::vector<Collective> under_way;  // with disjoint masks
  };

  void begin(const Launch& launch, std::uint64_t block_rank);
  void order_threads();
  [[noreturn]] static void fiber_entry();
  void run_threads();
  void thread_exited(SimThread& thread);
  void release_barrier();
  void make_runnable(SimThread& thread);
  SimThread* pop_runnable();
  bool wake_waiting();
  void run_engine();
  Fiber& next_fiber(bool caller_is_idle);
  Fiber& idle_fiber();
  void switch_to(Fiber& to);
  void suspend(SimThread& thread);
  void record(std::string&& report);
  void record_deadlock();
  std::uint32_t random();
  SimThread& self() const { return *static_cast<SimThread*>(current_thread); }

  const Launch* launch_ = nullptr;
  Order order_ = Order::kForward;
  std::uint64_t random_state_ = 0;
  std::string report_;  // what went wrong

  Fiber main_;
  Fiber* fiber_ = &main_;  // the one that runs
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::size_t fibers_used_ = 0;
  std::vector<Fiber*> idle_;

  unsigned thread_count_ = 0, started_ = 0, exited_ = 0;
  std::vector<SimThread> threads_;
  std::vector<unsigned> start_order_;
  std::vector<SimThread*> runnable_;
  std::size_t runnable_head_ = 0;
  std::vector<SimThread*> waiting_;  // for conditions
  std::vector<Warp> warps_;

  std::vector<SimThread*> at_barrier_;
  CallSite barrier_site_;
  int barrier_count_ = 0, barrier_result_ = 0;  // predicates that hold, of this and the last one
  unsigned barrier_arrivals_ = 0;

  SharedArena shared_;
  std::vector<CopyQueue> copies_;
  HopperState hopper_;
  std::vector<std::function<void()>> engine_;
};

}  // namespace whisker::inline v0_1::kernels::sim
