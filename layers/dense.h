// The fully connected layer.
#pragma once

#include <whisker/layers/init.h>
#include <whisker/layers/module.h>

namespace whisker::inline v0_1::nn {

struct DenseOptions {
  std::int64_t in = 0, out = 0;
  bool bias = true;
};

/// y = x weight^T + bias: x [N, in] -> y [N, out]; weight [out, in] starts Glorot uniform, bias 0.
/// Throws Error unless both sizes are positive.
class Dense : public Module {
 public:
  Dense(const DenseOptions& options, Init& init);

  std::string describe() const override;
  double flops(const Shape& x) const override;

 protected:
  Tensor forward(const Tensor& x) override;
  void visit(ModuleVisitor& visitor) override;

 private:
  DenseOptions options_;
  Tensor weight_, bias_;
};

}  // namespace whisker::inline v0_1::nn
