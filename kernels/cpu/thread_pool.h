// The threads that share the ranges of parallel_for(). Private to kernels/cpu.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace whisker::inline v0_1::kernels::cpu {

/// Runs the ranges of one loop at a time on the calling thread and on helpers.
///
/// Each thread of a team begins with a share of neighbouring ranges, then takes what is left of
/// the shares of others. So a loop ends as soon as its ranges are done, even if a helper is late,
/// was never lent by the system, or waits for a core that another program uses.
///
/// Threads that wait spin for a moment, because waking one takes longer than many a loop. They
/// sleep at once while another program wants the cores: a helper was late, and the system had
/// taken the core from a thread (ru_nivcsw of getrusage).
class ThreadPool {
 public:
  /// The pool of the process. It is never destroyed: its threads may outlive main().
  static ThreadPool& instance();

  /// Calls body(i) for every i < count on a team of at most `team` threads, the caller's among
  /// them, and returns when all are done. A call from within a body, or while another thread
  /// uses the pool, runs on the caller's thread alone. body must not throw.
  void run(std::int64_t count, int team, const std::function<void(std::int64_t)>& body);

 private:
  /// The next range of a share; on a cache line of its own.
  struct alignas(64) Share {
    std::atomic<std::int64_t> next = 0;
    std::int64_t end = 0;
  };
  struct Loop {
    const std::function<void(std::int64_t)>& body;
    std::vector<Share>& shares;
    int team;
  };

  void start_helpers(int team);
  void help(int index);
  static void take_ranges(Loop& loop, int index);
  void wait_for_loop(std::uint32_t seen);
  void wait_for_helpers();

  std::mutex in_use_;  // held by the thread whose loop runs

  std::mutex mutex_;  // of the members up to loops_
  std::condition_variable loop_begins_, helpers_left_;
  Loop* loop_ = nullptr;
  int helpers_ = 0;
  int sleepers_ = 0;
  std::atomic<std::uint32_t> loops_ = 0;  // that began so far
  std::atomic<int> inside_ = 0;           // helpers that work on loop_
  bool caller_sleeps_ = false;

  std::vector<Share> shares_;                           // of the one loop that runs
  std::chrono::steady_clock::time_point next_start_{};  // of helpers, after a failure
};

}  // namespace whisker::inline v0_1::kernels::cpu
