#include "parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <whisker/kernels/cpu/threads.h>

namespace catgan {

void for_each_index(std::size_t count, int threads, const std::function<void(std::size_t)>& work,
                    const std::function<void(std::size_t)>& report) {
  std::atomic<std::size_t> next = 0, done = 0;
  std::atomic<bool> stop = false;
  std::exception_ptr failure;
  std::mutex failure_mutex;

  const auto run = [&](bool is_caller) {
    try {
      for (std::size_t i = next++; i < count && !stop; i = next++) {
        work(i);
        ++done;
        if (is_caller && report) report(done);
      }
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
      stop = true;
    }
  };

  {
    const auto wanted =
        static_cast<std::size_t>(threads > 0 ? threads : whisker::kernels::cpu::threads());
    std::vector<std::jthread> others;
    try {
      for (std::size_t i = 1; i < std::min(wanted, count); ++i)
        others.emplace_back(run, false);
    } catch (const std::system_error&) {
      // The system lends no more threads: those there are do the work.
    }
    run(true);
  }
  if (failure) std::rethrow_exception(failure);
  if (report) report(count);
}

}  // namespace catgan
