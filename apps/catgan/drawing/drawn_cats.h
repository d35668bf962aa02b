// The built-in data set: cat faces that the program draws itself, as many as wanted.
#pragma once

#include <cstdint>

namespace catgan {

inline constexpr int kMinDrawnSize = 8;
inline constexpr int kMaxDrawnSize = 1024;

/// Draws cat number `index` of the data set `seed` into rgb [size, size, 3], row-major.
/// A pure function: equal arguments give equal bytes, and another size shows the same cat.
/// Throws whisker::Error unless kMinDrawnSize <= size <= kMaxDrawnSize.
void draw_cat(std::uint64_t seed, std::uint32_t index, int size, std::uint8_t* rgb);

}  // namespace catgan
