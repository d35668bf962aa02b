#include <whisker/core/ops/matmul.h>
#include <whisker/layers/dense.h>

namespace whisker::inline v0_1::nn {

Dense::Dense(const DenseOptions& options, Init& init) : options_(options) {
  check(options.in > 0 && options.out > 0, describe(), ": both sizes must be positive");
  weight_ = parameter(init.glorot_uniform({options.out, options.in}));
  if (options.bias) bias_ = parameter(Tensor::zeros({options.out}));
}

std::string Dense::describe() const {
  return str("Dense ", options_.in, " -> ", options_.out, options_.bias ? "" : ", no bias");
}

double Dense::flops(const Shape& x) const {
  return 2.0 * static_cast<double>(x[0]) * static_cast<double>(weight_.numel());
}

Tensor Dense::forward(const Tensor& x) {
  return dense(x, weight_, bias_);
}

void Dense::visit(ModuleVisitor& visitor) {
  visitor.parameter("weight", weight_);
  if (options_.bias) visitor.parameter("bias", bias_);
}

}  // namespace whisker::inline v0_1::nn
