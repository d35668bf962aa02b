// What PTX wrappers gave on a GPU, to be reproduced bit for bit by the simulator.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

namespace whisker::testing {

/// Checks words against tests/sim/golden/<name>.txt, or warns that there is no such file. Where the
/// environment variable WHISKER_RECORD_GOLDEN names a folder they are written to a file there too.
void compare_with_golden(const std::string& name, const std::vector<std::uint32_t>& words);

inline std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> words;
  for (const float value : values)
    words.push_back(std::bit_cast<std::uint32_t>(value));
  return words;
}

}  // namespace whisker::testing
