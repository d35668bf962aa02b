#include <algorithm>
#include <cstring>
#include <map>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/block.h>
#include <whisker/kernels/sim/checker.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

thread_local BlockRunner* current_runner = nullptr;

uint3 unravel(std::uint64_t rank, dim3 dim) {
  return {static_cast<unsigned>(rank % dim.x), static_cast<unsigned>(rank / dim.x % dim.y),
          static_cast<unsigned>(rank / dim.x / dim.y)};
}

std::string show(uint3 index) {
  return str("(", index.x, ",", index.y, ",", index.z, ")");
}

}  // namespace

constinit thread_local Thread* current_thread = nullptr;
constinit thread_local Block current_block{};

BlockRunner* BlockRunner::current() {
  return current_runner;
}

// A block from beginning to end

std::string BlockRunner::run(const Launch& launch, std::uint64_t block_rank) {
  current_runner = this;
  begin(launch, block_rank);
  switch_to(idle_fiber());
  current_thread = nullptr;
  if (report_.empty()) {
    if (std::string damage = shared_.damage(); !damage.empty())
      record(str(where(nullptr), " ", damage));
    for (unsigned i = 0; i < thread_count_ && report_.empty(); ++i)
      if (!copies_[i].empty())
        record(str(where(&threads_[i]), ": exited with cp.async copies that it never waited for"));
    if (const std::string left = hopper_.unfinished(); !left.empty() && report_.empty())
      record(str(where(nullptr), ": ", left));
    if (!engine_.empty() && report_.empty())
      record(str(where(nullptr), ": ended with bulk copies under way"));
  }
  current_runner = nullptr;
  return std::move(report_);
}

void BlockRunner::begin(const Launch& launch, std::uint64_t block_rank) {
  launch_ = &launch;
  order_ = config().order;
  random_state_ = (config().seed * 0x9E3779B97F4A7C15u) ^ ((block_rank + 1) * 0xBF58476D1CE4E5B9u);
  if (random_state_ == 0) random_state_ = 1;
  report_.clear();
  thread_count_ = launch.block.x * launch.block.y * launch.block.z;
  started_ = exited_ = 0;
  fiber_ = &main_;
  fibers_used_ = 0;
  idle_.clear();

  shared_.begin_block(launch.shared_bytes);
  current_block = {.index = unravel(block_rank, launch.grid),
                   .dim = launch.block,
                   .grid = launch.grid,
                   .rank = block_rank,
                   .dynamic_shared = shared_.dynamic()};
  threads_.assign(thread_count_, SimThread{});
  for (unsigned i = 0; i < thread_count_; ++i) {
    threads_[i].index = unravel(i, launch.block);
    threads_[i].rank = i;
    threads_[i].lane = i % kWarpSize;
    threads_[i].warp = i / kWarpSize;
  }
  warps_.assign((thread_count_ + kWarpSize - 1) / kWarpSize, Warp{});
  for (unsigned i = 0; i < thread_count_; ++i)
    warps_[i / kWarpSize].alive |= 1u << i % kWarpSize;
  if (copies_.size() < thread_count_) copies_.resize(thread_count_);
  for (CopyQueue& queue : copies_)
    queue.clear();
  hopper_.begin_block(thread_count_);
  runnable_.clear();
  runnable_head_ = 0;
  waiting_.clear();
  at_barrier_.clear();
  barrier_arrivals_ = 0;
  barrier_count_ = 0;
  engine_.clear();
  order_threads();
  if constexpr (kChecking) checker::begin_block(thread_count_);
}

void BlockRunner::order_threads() {
  start_order_.resize(thread_count_);
  for (unsigned i = 0; i < thread_count_; ++i)
    start_order_[i] = order_ == Order::kReverse ? thread_count_ - 1 - i : i;
  if (order_ != Order::kRandom) return;
  for (unsigned i = thread_count_; i > 1; --i)
    std::swap(start_order_[i - 1], start_order_[random() % i]);
}

std::uint32_t BlockRunner::random() {  // xorshift64
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<std::uint32_t>(random_state_ >> 32);
}

// Fibers

void BlockRunner::fiber_entry() {
  current_runner->fiber_->entered();
  current_runner->run_threads();
  std::abort();  // run_threads leaves only by a switch
}

void BlockRunner::run_threads() {
  Fiber* const mine = fiber_;
  for (;;) {
    while (started_ < thread_count_ && report_.empty()) {
      SimThread& thread = threads_[start_order_[started_++]];
      thread.fiber = mine;
      thread.state = SimThread::State::kRunnable;
      current_thread = &thread;
      launch_->run(launch_->closure.get());
      thread_exited(thread);
      // Whoever can go on comes first: warps stay together, and so do their cache lines.
      if (runnable_head_ != runnable_.size()) break;
    }
    if (!report_.empty()) switch_to(main_);
    Fiber& next = next_fiber(true);
    if (&next == mine) continue;
    idle_.push_back(mine);
    switch_to(next);
  }
}

Fiber& BlockRunner::idle_fiber() {
  if (!idle_.empty()) {
    Fiber* fiber = idle_.back();
    idle_.pop_back();
    return *fiber;
  }
  if (fibers_used_ == fibers_.size()) fibers_.emplace_back(Fiber::create());
  Fiber& fiber = *fibers_[fibers_used_++];
  fiber.prepare(fiber_entry);
  return fiber;
}

void BlockRunner::switch_to(Fiber& to) {
  if (&to == fiber_) return;
  Fiber& from = *fiber_;
  fiber_ = &to;
  Fiber::switch_to(from, to);
}

Fiber& BlockRunner::next_fiber(bool caller_is_idle) {
  for (;;) {
    bool start_first = false;
    if (order_ == Order::kRandom) {
      if (!engine_.empty() && random() % 8 == 0) run_engine();
      if (!waiting_.empty() && random() % 4 == 0) wake_waiting();
      start_first = started_ < thread_count_ && random() % 2 == 0;
    }
    if (!report_.empty()) return main_;
    SimThread* thread = start_first ? nullptr : pop_runnable();
    if (!thread && started_ < thread_count_) return caller_is_idle ? *fiber_ : idle_fiber();
    if (thread) {
      current_thread = thread;
      return *thread->fiber;
    }
    if (exited_ == thread_count_) return main_;
    if (wake_waiting()) continue;
    if (engine_.empty()) {
      record_deadlock();
      return main_;
    }
    run_engine();  // nobody can go on: only now do copies arrive
  }
}

void BlockRunner::run_engine() {
  const std::size_t i = order_ == Order::kRandom ? random() % engine_.size() : 0;
  const auto work = std::move(engine_[i]);
  engine_.erase(engine_.begin() + static_cast<std::ptrdiff_t>(i));
  work();
}

// Threads that wait

void BlockRunner::make_runnable(SimThread& thread) {
  thread.state = SimThread::State::kRunnable;
  runnable_.push_back(&thread);
}

SimThread* BlockRunner::pop_runnable() {
  if (runnable_head_ == runnable_.size()) {
    runnable_.clear();
    runnable_head_ = 0;
    return nullptr;
  }
  if (order_ == Order::kReverse) {
    SimThread* last = runnable_.back();
    runnable_.pop_back();
    return last;
  }
  if (order_ == Order::kRandom) {
    const std::size_t i = runnable_head_ + random() % (runnable_.size() - runnable_head_);
    std::swap(runnable_[i], runnable_[runnable_head_]);
  }
  return runnable_[runnable_head_++];
}

bool BlockRunner::wake_waiting() {
  const auto end = std::stable_partition(
      waiting_.begin(), waiting_.end(),
      [](const SimThread* thread) { return !thread->condition.holds(thread->condition.state); });
  const bool any = end != waiting_.end();
  for (auto at = end; at != waiting_.end(); ++at)
    make_runnable(**at);
  waiting_.erase(end, waiting_.end());
  return any;
}

void BlockRunner::suspend(SimThread& thread) {
  switch_to(next_fiber(false));
  current_thread = &thread;
  if (!report_.empty()) switch_to(main_);
}

void BlockRunner::wait_until(Condition condition, const char* what, CallSite site) {
  if (condition.holds(condition.state)) return;
  SimThread& thread = self();
  thread.state = SimThread::State::kWaiting;
  thread.condition = condition;
  thread.waits_in = what;
  thread.site = site;
  waiting_.push_back(&thread);
  suspend(thread);
}

void BlockRunner::thread_exited(SimThread& thread) {
  thread.state = SimThread::State::kExited;
  ++exited_;
  Warp& warp = warps_[thread.warp];
  warp.alive &= ~(1u << thread.lane);
  for (const Collective& collective : warp.under_way)
    if (collective.mask >> thread.lane & 1u)
      record(str(where(&thread), ": exited while its warp waits for it in ", collective.name,
                 " at ", collective.site));
  if (barrier_arrivals_ > 0)
    record(str(where(&thread), ": exited while other threads wait in __syncthreads at ",
               barrier_site_, " (divergent barrier)"));
}

bool BlockRunner::may_touch(const void* address) const {
  const auto within = [at = reinterpret_cast<std::uintptr_t>(address)](const void* begin,
                                                                       std::size_t bytes) {
    return at - reinterpret_cast<std::uintptr_t>(begin) < bytes;
  };
  return fiber_->holds(address) || within(threads_.data(), threads_.size() * sizeof(SimThread)) ||
         within(&current_block, sizeof current_block) ||
         within(&current_thread, sizeof current_thread) ||
         within(launch_->closure.get(), launch_->closure_bytes);
}

// What went wrong

std::string BlockRunner::where(const Thread* thread) const {
  std::string text = str("kernel ", launch_->name, " (launched at ", launch_->site, "), block ",
                         show(current_block.index));
  if (thread) text += str(", thread ", show(thread->index));
  return text;
}

void BlockRunner::record(std::string&& report) {
  if (report_.empty()) report_ = std::move(report);
}

void BlockRunner::fail(std::string&& what) {
  record(str(where(current_thread), ": ", what));
  std::string().swap(what);  // its fiber is never unwound, so nothing else would free it
  switch_to(main_);
  std::abort();
}

void BlockRunner::record_deadlock() {
  std::map<std::string, std::vector<unsigned>> groups;
  for (const SimThread& thread : threads_) {
    const bool waits = thread.state == SimThread::State::kWaiting;
    groups[waits ? str("wait in ", thread.waits_in, " at ", thread.site) : "have exited"].push_back(
        thread.rank);
  }
  std::string report = str("deadlock in ", where(nullptr), ":");
  for (const auto& [state, ranks] : groups)
    report += str("\n  ", ranks.size(), " threads (", show(threads_[ranks.front()].index), " to ",
                  show(threads_[ranks.back()].index), ") ", state);
  record(std::move(report));
}

}  // namespace whisker::inline v0_1::kernels::sim
