// The ref-counted bytes behind tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <whisker/core/device.h>
#include <whisker/kernels/context.h>

namespace whisker::inline v0_1 {

/// A block of device memory shared by the tensors that view it. The version counts writes: it
/// tells autograd that a saved value was changed, and drops packed copies that are out of date.
class Storage {
 public:
  /// Uninitialised bytes; throws OutOfMemory, or Error where this build lacks the device.
  Storage(std::size_t bytes, Device device);

  const std::byte* data() const { return buffer_.get(); }
  std::byte* mutable_data() {
    ++version_;
    packed_.clear();
    return buffer_.get();
  }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  std::uint64_t version() const { return version_; }
  kernels::PackedWeights& packed() { return packed_; }

 private:
  kernels::Buffer buffer_;
  std::size_t bytes_;
  Device device_;
  std::uint64_t version_ = 0;
  kernels::PackedWeights packed_;
};

/// Copies bytes within or between devices. Between host and GPU it is ordered with the GPU's work;
/// a copy to the host waits for it. The ranges may overlap.
void copy_bytes(const std::byte* from, Device from_device, std::byte* to, Device to_device,
                std::size_t bytes);

}  // namespace whisker::inline v0_1
