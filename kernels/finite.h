// Finding numbers that are none, in many arrays at once and without waiting for the answer.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels {

/// n values, and the number that find_not_finite() knows them by.
struct ValuesToCheck {
  const float* data;
  std::int64_t n;
  std::int32_t number;
};

/// More than every number: what `first` holds while nothing bad was found.
inline constexpr std::int32_t kAllFinite = std::numeric_limits<std::int32_t>::max();

namespace cpu {

/// Lowers *first to the lowest number of an array that holds an infinity or a NaN.
void find_not_finite(std::span<const ValuesToCheck> arrays, std::int32_t* first, Context& context);

}  // namespace cpu

namespace cuda {

struct Context;

/// The same in one launch for as many arrays as its parameters hold; `first` is in device memory.
void find_not_finite(std::span<const ValuesToCheck> arrays, std::int32_t* first, Context& context);

}  // namespace cuda
}  // namespace whisker::inline v0_1::kernels
