#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cpu/machine.h>
#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/cpu/thread_pool.h>
#include <whisker/kernels/cpu/threads.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

/// OMP_NUM_THREADS is how batch systems say how many cores were lent.
int default_threads() {
  const int cpus = usable_cpus();
  const char* const text = std::getenv("OMP_NUM_THREADS");
  const int wanted = text ? std::atoi(text) : 0;
  return wanted >= 1 ? std::min(wanted, cpus) : cpus;
}

/// Of the process.
std::atomic<int>& thread_count() {
  static std::atomic<int> count = default_threads();
  return count;
}
thread_local int scope_count = 0;  // 0: no ThreadScope

void check_count(int count) {
  check(count >= 1, "threads: ", count, " must be at least 1");
}

}  // namespace

void parallel_for(std::int64_t n, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
  const std::int64_t ranges = (n + grain - 1) / grain;
  if (ranges <= 1) {
    if (n > 0) body(0, n);
    return;
  }
  std::exception_ptr failure;
  std::mutex mutex;
  ThreadPool::instance().run(ranges, threads(), [&](std::int64_t i) {
    try {
      body(i * grain, std::min(n, (i + 1) * grain));
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

void add_parts(const float* values, std::int64_t parts, std::int64_t n, float* sums) {
  constexpr std::int64_t kGrain = 16384;
  parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::copy(values + begin, values + end, sums + begin);
    for (std::int64_t part = 1; part < parts; ++part)
      for (std::int64_t i = begin; i < end; ++i)
        sums[i] += values[part * n + i];
  });
}

void set_threads(int count) {
  check_count(count);
  thread_count() = count;
}

int threads() {
  return scope_count > 0 ? scope_count : thread_count().load();
}

ThreadScope::ThreadScope(int count) : previous_(scope_count) {
  check_count(count);
  scope_count = count;
}

ThreadScope::~ThreadScope() {
  scope_count = previous_;
}

}  // namespace whisker::inline v0_1::kernels::cpu
