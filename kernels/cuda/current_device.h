// Makes a device current for a scope, for the calls that name none.
#pragma once

#include <whisker/kernels/cuda/error.h>

namespace whisker::inline v0_1::kernels::cuda {

class CurrentDevice {
 public:
  explicit CurrentDevice(int device) {
    check_cuda(cudaGetDevice(&previous_), "cudaGetDevice");
    if (device == previous_) return;
    check_cuda(cudaSetDevice(device), "cudaSetDevice");
    changed_ = true;
  }
  // A destructor must not throw; the device was current before, so this does not fail.
  ~CurrentDevice() {
    if (changed_) static_cast<void>(cudaSetDevice(previous_));
  }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int previous_ = 0;
  bool changed_ = false;
};

}  // namespace whisker::inline v0_1::kernels::cuda
