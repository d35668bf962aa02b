// Where a tensor lives.
#pragma once

#include <ostream>

namespace whisker::inline v0_1 {

struct Device {
  enum class Type { cpu, cuda };
  Type type = Type::cpu;
  int index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(int index = 0) { return {Type::cuda, index}; }

  friend constexpr bool operator==(Device, Device) = default;
  friend std::ostream& operator<<(std::ostream& out, Device device) {
    if (device.type == Type::cpu) return out << "cpu";
    return out << "cuda:" << device.index;
  }
};

}  // namespace whisker::inline v0_1
