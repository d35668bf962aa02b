#include "training/finite.h"

#include <atomic>
#include <bit>

#include <whisker/core/autograd.h>
#include <whisker/core/ops/binary.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/reduce.h>
#include <whisker/kernels/cpu/parallel.h>

namespace catgan {

using whisker::Dtype;
using whisker::Tensor;

bool is_finite(const Tensor& tensor) {
  if (tensor.dtype() == Dtype::bfloat16) return is_finite(whisker::cast(tensor, Dtype::float32));
  if (tensor.dtype() != Dtype::float32) return true;
  if (tensor.device() != whisker::Device::cpu()) {
    const whisker::NoGrad no_grad;
    return whisker::sum(whisker::scale(tensor, 0.0)).item() == 0.0;  // 0 * x is NaN for a bad x
  }
  constexpr std::uint32_t kExponent = 0x7F800000u;
  const float* values = tensor.data<float>();
  std::atomic<bool> finite = true;
  whisker::kernels::cpu::parallel_for(
      tensor.numel(), 65536, [&](std::int64_t begin, std::int64_t end) {
        // Compared as integers, so that the loop becomes vector code.
        std::uint32_t bad = 0;
        for (std::int64_t i = begin; i < end; ++i)
          bad |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(values[i]) & kExponent) ==
                                            kExponent);
        if (bad != 0) finite = false;
      });
  return finite;
}

namespace {

class BadLayerObserver : public whisker::nn::ForwardObserver {
 public:
  std::string first;

  void called(whisker::nn::Module& module, const Tensor&, const Tensor& y) override {
    if (first.empty() && !is_finite(y))
      first = whisker::str("the output of ", module.path(), " (", module.describe(), ")");
  }
};

}  // namespace

std::string first_bad_layer(whisker::nn::Module& net, const Tensor& input) {
  const whisker::NoGrad no_grad;
  BadLayerObserver observer;
  net(input);
  return observer.first;
}

}  // namespace catgan
