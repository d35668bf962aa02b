// The one way in which CPU kernels use several cores.
#pragma once

#include <cstdint>
#include <functional>

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
/// The ranges do not depend on the number of threads. What body throws, the first of several, is
/// thrown again when all ranges are done.
void parallel_for(std::int64_t n, std::int64_t grain,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// sums[i] = the sum over p < parts of values[p * n + i], in order.
void add_parts(const float* values, std::int64_t parts, std::int64_t n, float* sums);

/// Whether this CPU has the vectors of 16 floats for which some kernels are written.
inline bool has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

}  // namespace whisker::inline v0_1::kernels::cpu
