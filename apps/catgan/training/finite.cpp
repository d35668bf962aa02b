#include "training/finite.h"

#include <whisker/core/autograd.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/finite.h>

namespace catgan {

using whisker::Dtype;
using whisker::Tensor;

bool is_finite(const Tensor& tensor) {
  const whisker::NoGrad no_grad;
  if (tensor.dtype() == Dtype::bfloat16) return is_finite(whisker::cast(tensor, Dtype::float32));
  if (tensor.dtype() != Dtype::float32) return true;
  Tensor first = Tensor::full({}, whisker::kAllFinite, Dtype::int32, tensor.device());
  whisker::find_not_finite({tensor}, 0, first);
  return first.item() == whisker::kAllFinite;
}

void check_finite(const std::map<std::string, Tensor>& tensors, const std::string& source) {
  for (const auto& [name, tensor] : tensors)
    whisker::check<whisker::NumericError>(is_finite(tensor), source, ": the first bad tensor is ",
                                          name, ", which holds an infinity or NaN");
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
