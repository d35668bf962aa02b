#include <whisker/layers/conv2d.h>

namespace whisker::inline v0_1::nn {

std::string ConvOptions::to_string() const {
  std::string pad;
  if (padding && *padding == Padding::all(padding->top))
    pad = str(", padding ", padding->top);
  else if (padding)
    pad = str(", padding ", padding->top, ",", padding->bottom, ",", padding->left, ",",
              padding->right);
  return str(in_channels, " -> ", out_channels, ", ", kernel, "x", kernel, " / ", stride, pad,
             bias ? "" : ", no bias");
}

void ConvOptions::validate(const char* layer) const {
  check(in_channels > 0 && out_channels > 0 && kernel > 0 && stride > 0, layer, " ", to_string(),
        ": channels, kernel and stride must be positive");
}

Conv2d::Conv2d(const ConvOptions& options, Init& init) : options_(options) {
  options.validate("Conv2d");
  weight_ = parameter(init.truncated_normal(
      {options.out_channels, options.kernel, options.kernel, options.in_channels},
      options.init_stddev));
  if (options.bias) bias_ = parameter(Tensor::zeros({options.out_channels}));
}

double Conv2d::flops(const Shape& x) const {
  return conv2d_shape(x, weight_.shape(), options_.op()).flops();
}

Tensor Conv2d::forward(const Tensor& x) {
  return conv2d(x, weight_, bias_, options_.op());
}

void Conv2d::visit(ModuleVisitor& visitor) {
  visitor.parameter("weight", weight_);
  if (options_.bias) visitor.parameter("bias", bias_);
}

}  // namespace whisker::inline v0_1::nn
