// The one way in which CPU kernels use several cores: OpenMP, the pool that oneDNN uses too.
#pragma once

#include <algorithm>
#include <cstdint>

// Inner loops are compiled for three instruction sets and chosen when the program starts. The
// choice runs before a sanitizer is ready, so sanitized builds have the plain version only.
#if defined(__x86_64__) && !defined(WHISKER_SANITIZED)
#define WHISKER_SIMD_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define WHISKER_SIMD_CLONES
#endif

namespace whisker::inline v0_1::kernels::cpu {

/// Calls body(begin, end) for consecutive ranges of `grain` that cover [0, n), on all threads.
/// The ranges do not depend on the number of threads.
template <class Body>
void parallel_for(std::int64_t n, std::int64_t grain, const Body& body) {
  const std::int64_t ranges = (n + grain - 1) / grain;
  if (ranges <= 1) {
    if (n > 0) body(std::int64_t{0}, n);
    return;
  }
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < ranges; ++i)
    body(i * grain, std::min(n, (i + 1) * grain));
}

/// The number of threads that kernels use from now on, at least 1.
void set_threads(int count);
int threads();

}  // namespace whisker::inline v0_1::kernels::cpu
