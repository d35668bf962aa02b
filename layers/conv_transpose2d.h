// The transposed convolution layer.
#pragma once

#include <whisker/layers/conv2d.h>

namespace whisker::inline v0_1::nn {

/// x [N, P, Q, in] -> y [N, H, W, out] with H = P * stride under SAME padding, see conv_transpose2d
/// in core/ops/conv2d.h; weight [in, kernel, kernel, out] starts truncated normal, bias 0.
class ConvTranspose2d : public Module {
 public:
  ConvTranspose2d(const ConvOptions& options, Init& init);

  std::string describe() const override { return "ConvTranspose2d " + options_.to_string(); }
  double flops(const Shape& x) const override;

 protected:
  Tensor forward(const Tensor& x) override;
  void visit(ModuleVisitor& visitor) override;

 private:
  ConvOptions options_;
  Tensor weight_, bias_;
};

}  // namespace whisker::inline v0_1::nn
