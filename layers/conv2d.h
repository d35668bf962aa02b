// The convolution layer.
#pragma once

#include <whisker/core/ops/conv2d.h>
#include <whisker/layers/init.h>
#include <whisker/layers/module.h>

namespace whisker::inline v0_1::nn {

struct ConvOptions {
  std::int64_t in_channels = 0, out_channels = 0;
  int kernel = 5, stride = 1;
  std::optional<Padding> padding{};  // TensorFlow's SAME if not given
  bool bias = true;
  float init_stddev = 0.02f;

  Conv2dOptions op() const { return {.stride_h = stride, .stride_w = stride, .padding = padding}; }
  /// "3 -> 64, 5x5 / 2"; behind it ", padding 1", or top, bottom, left and right, where it is
  /// given.
  std::string to_string() const;
  /// Throws Error that names `layer` unless channels, kernel and stride are positive.
  void validate(const char* layer) const;
};

/// x [N, H, W, in] -> y [N, P, Q, out], see kernels/conv2d.h; weight [out, kernel, kernel, in]
/// starts truncated normal, bias 0.
class Conv2d : public Module {
 public:
  Conv2d(const ConvOptions& options, Init& init);

  std::string describe() const override { return "Conv2d " + options_.to_string(); }
  double flops(const Shape& x) const override;

 protected:
  Tensor forward(const Tensor& x) override;
  void visit(ModuleVisitor& visitor) override;

 private:
  ConvOptions options_;
  Tensor weight_, bias_;
};

}  // namespace whisker::inline v0_1::nn
