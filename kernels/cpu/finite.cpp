#include <algorithm>
#include <atomic>
#include <bit>

#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/finite.h>

namespace whisker::inline v0_1::kernels::cpu {

void find_not_finite(std::span<const ValuesToCheck> arrays, std::int32_t* first, Context&) {
  constexpr std::uint32_t kExponent = 0x7F800000u;
  for (const ValuesToCheck& array : arrays) {
    const float* values = array.data;
    std::atomic<bool> finite = true;
    parallel_for(array.n, 65536, [&](std::int64_t begin, std::int64_t end) {
      // Compared as integers, so that the loop becomes vector code.
      std::uint32_t bad = 0;
      for (std::int64_t i = begin; i < end; ++i)
        bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(values[i]) & kExponent) ==
                                          kExponent);
      if (bad != 0) finite = false;
    });
    if (!finite) *first = std::min(*first, array.number);
  }
}

}  // namespace whisker::inline v0_1::kernels::cpu
