// The simulator's CUtensorMap.
#pragma once

#include <array>
#include <cstdint>

struct alignas(64) CUtensorMap {
  unsigned char* base;
  std::array<std::uint64_t, 5> size;    // in elements; 1 beyond the rank
  std::array<std::uint64_t, 5> stride;  // in bytes
  std::array<std::uint32_t, 5> box;     // in elements; 1 beyond the rank
};
