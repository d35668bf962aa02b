// What a kernel needs besides its arguments: scratch memory, and the packed copies of a weight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace whisker::inline v0_1::kernels {

using Buffer = std::shared_ptr<std::byte>;

/// PackedWeights' name of a float32 weight in bfloat16 and in the order of the original, which GPU
/// kernels make and optimizers keep in step.
inline constexpr std::uint64_t kBfloat16Layout = 0x62663136'00000001;

/// Copies of one weight in the layouts that its kernels want, each made once per update.
/// Whoever changes the weight calls clear(). Safe to use from several threads.
class PackedWeights {
 public:
  /// The copy named `layout`, made by `pack` when there is none.
  Buffer get(std::uint64_t layout, const std::function<Buffer()>& pack) {
    const std::lock_guard lock(mutex_);
    Buffer& copy = copies_[layout];
    if (!copy) copy = pack();
    return copy;
  }
  /// The copy named `layout`, or null, which is then the caller's to keep in step with the weight
  /// and to put back.
  Buffer take(std::uint64_t layout) {
    const std::lock_guard lock(mutex_);
    const auto found = copies_.extract(layout);
    return found ? found.mapped() : nullptr;
  }
  void put(std::uint64_t layout, Buffer copy) {
    const std::lock_guard lock(mutex_);
    copies_[layout] = std::move(copy);
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    copies_.clear();
  }

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, Buffer> copies_;
};

/// A weight as kernels see it; without `packed` its layouts are made anew in every call.
template <class T>
struct Weight {
  const T* data = nullptr;
  PackedWeights* packed = nullptr;
};

namespace cpu {

/// Handed to every CPU kernel; kernels themselves never allocate. Its type is also what makes an
/// unqualified call find the kernels of this namespace.
struct Context {
  /// Returns 64-byte aligned memory; throws OutOfMemory.
  Buffer (*allocate)(std::size_t bytes);
};

}  // namespace cpu

}  // namespace whisker::inline v0_1::kernels
