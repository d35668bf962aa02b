// The numbers that all parameters' updates in one step have in common.
#pragma once

#include <whisker/core/tensor.h>
#include <whisker/kernels/optimizer.h>

namespace whisker::inline v0_1::optim {

template <class Step>
class StepNumbers {
 public:
  void set(const Step& numbers) { numbers_ = numbers; }
  /// The same as kernels take them; see Optimizer::apply_step() for first_bad.
  kernels::StepSource<Step> source(const Tensor& first_bad) const {
    kernels::StepSource<Step> source(numbers_);
    if (first_bad.defined()) source.first_bad = first_bad.kernel_data<std::int32_t>();
    return source;
  }

 private:
  Step numbers_{};
};

}  // namespace whisker::inline v0_1::optim
