#include <cstring>

#include <whisker/core/backend.h>
#include <whisker/core/storage.h>

namespace whisker::inline v0_1 {

Storage::Storage(std::size_t bytes, Device device) : bytes_(bytes), device_(device) {
  if (device.type == Device::Type::cpu) {
    buffer_ = MemoryPool::host().allocate(bytes);
    return;
  }
  check(kWithCuda, "storage: this build has no back end for ", device,
        "; configure with -D WHISKER_CUDA=native");
  if constexpr (kWithCuda) buffer_ = allocate_with_cuda(bytes, device);
}

void copy_bytes(const std::byte* from, Device from_device, std::byte* to, Device to_device,
                std::size_t bytes) {
  if constexpr (kWithCuda) {
    if (from_device.type == Device::Type::cuda || to_device.type == Device::Type::cuda)
      return copy_bytes_with_cuda(from, from_device, to, to_device, bytes);
  }
  std::memmove(to, from, bytes);
}

}  // namespace whisker::inline v0_1
