// AddressSanitizer's interface, or nothing in builds without it.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define WHISKER_SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WHISKER_SIM_ASAN 1
#endif
#endif

#ifdef WHISKER_SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#include <cstddef>

namespace whisker::inline v0_1::kernels::sim {

#ifdef WHISKER_SIM_ASAN
inline constexpr bool kAddressSanitizer = true;
inline void poison(const void* begin, std::size_t bytes) {
  __asan_poison_memory_region(begin, bytes);
}
inline void unpoison(const void* begin, std::size_t bytes) {
  __asan_unpoison_memory_region(begin, bytes);
}
#else
inline constexpr bool kAddressSanitizer = false;
inline void poison(const void*, std::size_t) {}
inline void unpoison(const void*, std::size_t) {}
#endif

}  // namespace whisker::inline v0_1::kernels::sim
