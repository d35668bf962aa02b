#include <whisker/layers/conv_transpose2d.h>

namespace whisker::inline v0_1::nn {

ConvTranspose2d::ConvTranspose2d(const ConvOptions& options, Init& init) : options_(options) {
  options.validate("ConvTranspose2d");
  weight_ = parameter(init.truncated_normal(
      {options.in_channels, options.kernel, options.kernel, options.out_channels},
      options.init_stddev));
  if (options.bias) bias_ = parameter(Tensor::zeros({options.out_channels}));
}

double ConvTranspose2d::flops(const Shape& x) const {
  return conv_transpose2d_shape(x, weight_.shape(), options_.op()).flops();
}

Tensor ConvTranspose2d::forward(const Tensor& x) {
  return conv_transpose2d(x, weight_, bias_, options_.op());
}

void ConvTranspose2d::visit(ModuleVisitor& visitor) {
  visitor.parameter("weight", weight_);
  if (options_.bias) visitor.parameter("bias", bias_);
}

}  // namespace whisker::inline v0_1::nn
