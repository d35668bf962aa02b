// The numbers that all parameters' updates in one step have in common.
#pragma once

#include <whisker/core/tensor.h>
#include <whisker/kernels/optimizer.h>

namespace whisker::inline v0_1::optim {

template <class Step>
class StepNumbers {
 public:
  /// From now on kernels find them in memory of the device.
  void keep_on(Device device) {
    is_set_ = false;
    memory_ = Tensor::empty({static_cast<std::int64_t>(sizeof(Step))}, Dtype::uint8, device);
  }
  void set(const Step& numbers) {
    numbers_ = numbers;
    is_set_ = true;
    if (memory_.defined())
      copy_bytes(reinterpret_cast<const std::byte*>(&numbers_), Device::cpu(),
                 memory_.raw_mutable_data(), memory_.device(), sizeof(Step));
  }
  /// The same as kernels take them; see Optimizer::apply_step() for first_bad. Throws Error if they
  /// were not set since keep_on().
  kernels::StepSource<Step> source(const Tensor& first_bad) const {
    check(is_set_,
          "optim: an update has no numbers; call prepare_step() or prepare_update() first");
    kernels::StepSource<Step> source(numbers_);
    if (memory_.defined())
      source = kernels::StepSource<Step>(reinterpret_cast<const Step*>(memory_.raw_data()));
    if (first_bad.defined()) source.first_bad = first_bad.kernel_data<std::int32_t>();
    return source;
  }

 private:
  Step numbers_{};
  bool is_set_ = false;
  Tensor memory_;  // undefined: launches carry the numbers
};

}  // namespace whisker::inline v0_1::optim
