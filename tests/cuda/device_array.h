// Device memory for tests of kernels; the same on a GPU and in the simulator.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/error.h>

namespace whisker::testing {

/// One stream for the whole process, device 0, products of floats as IEEE has them. What
/// `allocate` returns goes back to the stream when its last owner drops it.
kernels::cuda::Context& test_context();
/// The same, but products of floats may be rounded to TF32.
kernels::cuda::Context& test_context_tf32();
/// The same, but as on a device with one multiprocessor, where threads soon walk on.
kernels::cuda::Context& test_context_small();

/// Waits for the tests' stream; throws Error if a kernel failed.
void synchronize();

/// Elements in device memory. A write outside them is found: on a GPU by guard bytes, in the
/// simulator by the device memory itself.
template <class T>
class DeviceArray {
 public:
  /// Elements that nobody has written yet: all bits set, which is NaN.
  explicit DeviceArray(std::size_t count)
      : count_(count), memory_(test_context().allocate(bytes() + 2 * kGuardBytes)) {
    if (kGuardBytes == 0) return;
    fill(0, kGuardBytes, kGuard);
    fill(kGuardBytes, bytes(), 0xFF);
    fill(kGuardBytes + bytes(), kGuardBytes, kGuard);
  }
  /// A copy of host elements.
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    upload(values);
  }

  T* get() const { return reinterpret_cast<T*>(memory_.get() + kGuardBytes); }
  std::size_t size() const { return count_; }

  void upload(const std::vector<T>& values) {
    check(values.size() == count_, "DeviceArray: ", values.size(), " elements for ", count_);
    copy(values.data(), get(), bytes());
  }

  /// Waits for the stream and returns the elements. Throws Error if a kernel failed or wrote
  /// outside.
  std::vector<T> download() const {
    std::vector<T> values(count_);
    copy(get(), values.data(), bytes());
    synchronize();
    check_guard(0, "before");
    check_guard(kGuardBytes + bytes(), "behind");
    return values;
  }

 private:
#ifdef WHISKER_SIM
  static constexpr std::size_t kGuardBytes = 0;
#else
  static constexpr std::size_t kGuardBytes = 256;
#endif
  static constexpr int kGuard = 0x5A;

  std::size_t bytes() const {
    return count_ * sizeof(T);
  }
  void fill(std::size_t offset, std::size_t length, int value) {
    kernels::cuda::check_cuda(
        cudaMemsetAsync(memory_.get() + offset, value, length, test_context().stream),
        "DeviceArray: fill");
  }
  static void copy(const void* from, void* to, std::size_t length) {
    kernels::cuda::check_cuda(
        cudaMemcpyAsync(to, from, length, cudaMemcpyDefault, test_context().stream),
        "DeviceArray: copy");
  }
  void check_guard(std::size_t offset, const char* side) const {
    std::vector<unsigned char> guard(kGuardBytes);
    copy(memory_.get() + offset, guard.data(), kGuardBytes);
    synchronize();
    check(std::all_of(guard.begin(), guard.end(), [](int byte) { return byte == kGuard; }),
          "DeviceArray: a kernel wrote ", side, " an array of ", count_, " elements");
  }

  std::size_t count_;
  kernels::Buffer memory_;
};

}  // namespace whisker::testing
