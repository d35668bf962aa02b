#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <thread>

#include <whisker/kernels/cpu/onednn_threads.h>
#include <whisker/kernels/cpu/thread_pool.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace whisker::inline v0_1::kernels::cpu {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

// Longer than what a training step does between two loops, but for reading pictures.
constexpr microseconds kSpin{300};
// A wait that is longer may be for a thread that lost its core.
constexpr microseconds kLongWait{1000};
// For how long a lost core keeps threads from spinning.
constexpr microseconds kMemory{200'000};

thread_local bool runs_a_range = false;

/// When a thread was last seen to have lost its core to another program, in ticks of Clock.
std::atomic<Clock::rep> last_loss = std::numeric_limits<Clock::rep>::min() / 2;

/// Looks for such a loss: whether the system took a core from a thread since the last look.
void look_for_loss(Clock::time_point now) {
  static std::atomic<long> losses_seen = 0;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  if (losses_seen.exchange(usage.ru_nivcsw) != usage.ru_nivcsw)
    last_loss.store(now.time_since_epoch().count(), std::memory_order_relaxed);
}

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

/// Spins until done() or until sleeping is better, and returns done().
template <class Done>
bool spin_until(const Done& done) {
  if (done()) return true;
  const Clock::time_point begin = Clock::now();
  const Clock::duration loss(last_loss.load(std::memory_order_relaxed));
  if (begin.time_since_epoch() - loss < kMemory) return false;
  for (Clock::time_point now = begin; now - begin < kSpin; now = Clock::now())
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause();
    }
  return done();
}

}  // namespace

ThreadPool& ThreadPool::instance() {
  static ThreadPool* const pool = new ThreadPool;
  return *pool;
}

void ThreadPool::run(std::int64_t count, int team, const std::function<void(std::int64_t)>& body) {
  team = static_cast<int>(std::min<std::int64_t>(team, count));
  std::unique_lock use(in_use_, std::defer_lock);
  if (team <= 1 || runs_a_range || !use.try_lock()) {
    for (std::int64_t i = 0; i < count; ++i)
      body(i);
    return;
  }
  start_helpers(team);
  for (int i = 0; i < team; ++i) {
    Share& share = shares_[static_cast<std::size_t>(i)];
    share.next.store(count * i / team, std::memory_order_relaxed);
    share.end = count * (i + 1) / team;
  }
  Loop loop{body, shares_, team};
  bool someone_sleeps = false;
  {
    const std::lock_guard lock(mutex_);
    loop_ = &loop;
    loops_.fetch_add(1, std::memory_order_release);
    someone_sleeps = sleepers_ > 0;
  }
  if (someone_sleeps) loop_begins_.notify_all();
  runs_a_range = true;
  take_ranges(loop, 0);
  runs_a_range = false;
  wait_for_helpers();
}

void ThreadPool::take_ranges(Loop& loop, int index) {
  for (int k = 0; k < loop.team; ++k) {
    Share& share = loop.shares[static_cast<std::size_t>((index + k) % loop.team)];
    if (share.next.load(std::memory_order_relaxed) >= share.end) continue;
    for (std::int64_t i; (i = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;)
      loop.body(i);
  }
}

void ThreadPool::wait_for_helpers() {
  {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;  // who comes now is too late
  }
  const auto all_left = [this] { return inside_.load(std::memory_order_acquire) == 0; };
  if (all_left()) return;
  const Clock::time_point begin = Clock::now();
  if (!spin_until(all_left)) {
    std::unique_lock lock(mutex_);
    caller_sleeps_ = true;
    helpers_left_.wait(lock, all_left);
    caller_sleeps_ = false;
  }
  if (const Clock::time_point now = Clock::now(); now - begin > kLongWait) look_for_loss(now);
}

void ThreadPool::start_helpers(int team) {
  if (shares_.size() < static_cast<std::size_t>(team))
    shares_ = std::vector<Share>(static_cast<std::size_t>(team));
  if (helpers_ >= team - 1 || Clock::now() < next_start_) return;
  try {
    for (; helpers_ < team - 1; ++helpers_)
      std::thread([this, index = helpers_ + 1] { help(index); }).detach();
  } catch (const std::exception&) {
    // The system lends no more threads or memory: the team does with the helpers there are.
    next_start_ = Clock::now() + std::chrono::seconds(1);
  }
}

void ThreadPool::help(int index) {
  runs_a_range = true;
  const OnednnOnOneThread one_thread;
  for (std::uint32_t seen = 0;;) {
    wait_for_loop(seen);
    Loop* loop = nullptr;
    {
      const std::lock_guard lock(mutex_);
      seen = loops_.load(std::memory_order_relaxed);
      if (loop_ && index < loop_->team) loop = loop_;
      if (loop) inside_.fetch_add(1, std::memory_order_relaxed);
    }
    if (!loop) continue;
    take_ranges(*loop, index);
    const std::lock_guard lock(mutex_);
    if (inside_.fetch_sub(1, std::memory_order_release) == 1 && caller_sleeps_)
      helpers_left_.notify_one();
  }
}

void ThreadPool::wait_for_loop(std::uint32_t seen) {
  const auto begun = [this, seen] { return loops_.load(std::memory_order_acquire) != seen; };
  if (spin_until(begun)) return;
  std::unique_lock lock(mutex_);
  ++sleepers_;
  loop_begins_.wait(lock, begun);
  --sleepers_;
}

}  // namespace whisker::inline v0_1::kernels::cpu
