// Stores past the caches, for results much larger than they are. Private to kernels/cpu.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace whisker::inline v0_1::kernels::cpu {

/// Copies n floats, whole cache lines at a time: a store that goes past the caches does not first
/// read the line that it overwrites. Call finish_streaming() before other threads read.
inline void stream_floats(const float* from, std::int64_t n, float* to) {
#if defined(__x86_64__)
  constexpr std::int64_t kLine = 16;
  if (n % kLine == 0 && reinterpret_cast<std::uintptr_t>(to) % (kLine * sizeof(float)) == 0) {
    for (std::int64_t i = 0; i < n; i += 4)
      _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
    return;
  }
#endif
  std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
}

/// Orders the streamed stores of this thread before its later ones.
inline void finish_streaming() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace whisker::inline v0_1::kernels::cpu
