// The batch normalisation layer.
#pragma once

#include <whisker/layers/module.h>

namespace whisker::inline v0_1::nn {

struct BatchNorm2dOptions {
  std::int64_t channels = 0;
  double epsilon = 1.001e-5;  // what TensorFlow 1's fused kernel makes of the article's 1e-5
  // What the moving statistics keep of themselves at each update, TensorFlow's way round: PyTorch's
  // momentum=0.1 is .momentum = 0.9 here, and .momentum = 0.1 would forget nine tenths every time.
  double momentum = 0.99;
  double slope = 1.0;  // of a leaky ReLU fused on top; 1 is none
  // How often a training forward counts towards the moving statistics. The article's graph counts
  // the generator's twice per step, and the discriminator's never.
  int updates_per_forward = 1;
  bool always_batch_statistics = false;  // normalise by the batch in evaluation mode too
};

/// Normalises x [..., channels] by the batch in training, by moving statistics in evaluation. As in
/// TensorFlow the batch's biased variance normalises and the unbiased one (Bessel's n - 1) goes
/// into moving_variance: moving = momentum * moving + (1 - momentum) * batch. Throws Error for
/// options out of range.
class BatchNorm2d : public Module {
 public:
  explicit BatchNorm2d(const BatchNorm2dOptions& options);

  std::string describe() const override;

 protected:
  Tensor forward(const Tensor& x) override;
  void visit(ModuleVisitor& visitor) override;

 private:
  void update_moving(const Tensor& mean, const Tensor& variance, std::int64_t rows);

  BatchNorm2dOptions options_;
  Tensor gamma_, beta_, moving_mean_, moving_variance_;
};

}  // namespace whisker::inline v0_1::nn
