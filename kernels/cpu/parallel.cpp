#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <exception>
#include <mutex>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/cpu/threads.h>

namespace whisker::inline v0_1::kernels::cpu {

void parallel_for(std::int64_t n, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
  const std::int64_t ranges = (n + grain - 1) / grain;
  if (ranges <= 1) {
    if (n > 0) body(0, n);
    return;
  }
  // An exception must not leave OpenMP's region.
  std::exception_ptr failure;
  std::mutex mutex;
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < ranges; ++i) {
    try {
      body(i * grain, std::min(n, (i + 1) * grain));
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

void set_threads(int count) {
  check(count >= 1, "threads: ", count, " must be at least 1");
#ifdef _OPENMP
  omp_set_num_threads(count);
#endif
}

int threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

}  // namespace whisker::inline v0_1::kernels::cpu
