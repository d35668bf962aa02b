// Where a tensor lives.
#pragma once

#include <ostream>
#include <string>

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

/// The number of GPUs that this build can use here; 0 without a driver or without CUDA.
int cuda_device_count();

/// "cpu", "cuda", "cuda:1", or "auto" for the first GPU if there is one, else the CPU. Throws
/// InputError for another text or for a GPU that is not there, and says why.
Device parse_device(const std::string& text);

/// Whether GPUs may round factors of float32 products to TF32 (10 bits of mantissa), which their
/// tensor cores multiply faster. Process-wide, initially false; the CPU never does.
void set_tf32(bool allowed);
bool tf32_allowed();

/// Where this thread puts new tensors: the CPU, or what a DeviceScope says.
Device default_device();

/// Sets default_device() for a scope.
class DeviceScope {
 public:
  explicit DeviceScope(Device device);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  Device previous_;
};

}  // namespace whisker::inline v0_1
