// The memory of the simulated device, and host memory that it may reach.
#pragma once

#include <cstddef>
#include <string>

namespace whisker::inline v0_1::kernels::sim {

/// Allocations lie in one address range, 256-byte aligned, with redzones between them whose bytes
/// are checked after every launch. Freed memory is used again only when the range is full.
class DeviceMemory {
 public:
  static constexpr std::size_t kBytes = std::size_t{16} << 30;

  struct Allocation {
    unsigned char* begin;
    std::size_t bytes;
  };

  static DeviceMemory& instance();

  /// Memory filled with 0xFF; null if there is not enough.
  void* allocate(std::size_t bytes);
  /// False if nothing was allocated there.
  bool release(void* pointer);
  std::size_t used() const;

  /// Whether the address is the device's, allocated or not.
  bool holds(const void* address) const;
  /// Whether the bytes lie within one allocation.
  bool valid(const void* address, std::size_t bytes) const;
  /// The allocation that begins last before or at an address; its `begin` is null if none does.
  Allocation nearest(const void* address) const;
  /// "byte 12 of an allocation of 16 bytes", or how far from the nearest one.
  std::string describe(const void* address) const;
  unsigned char* base() const;

  /// Which redzone was written to since the last call; empty if none was.
  std::string damage();

  /// While none of these exists, WHISKER_SIM_PROTECT makes the host's accesses crash.
  class Open {
   public:
    Open();
    ~Open();
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
  };

 private:
  DeviceMemory();
  struct State;
  State* state_;
};

/// Pinned host memory: streams copy it later, and kernels may use it.
void* allocate_pinned(std::size_t bytes);
bool release_pinned(void* pointer);
bool is_pinned(const void* address);

}  // namespace whisker::inline v0_1::kernels::sim
