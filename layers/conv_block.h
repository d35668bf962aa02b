// What DCGANs are built of: a convolution, a normalisation and an activation.
#pragma once

#include <optional>

#include <whisker/layers/batch_norm2d.h>
#include <whisker/layers/conv2d.h>
#include <whisker/layers/conv_transpose2d.h>

namespace whisker::inline v0_1::nn {

struct ConvBlockOptions {
  ConvOptions conv;
  bool transposed = false;
  /// What follows the convolution: batch norm and leaky ReLU in one kernel, leaky ReLU alone, or
  /// SELU, which normalises by itself (Klambauer et al. 2017).
  enum class Activation { batch_norm_leaky_relu, leaky_relu, selu };
  Activation activation = Activation::batch_norm_leaky_relu;
  double slope = 0.2;  // of the leaky ReLU
  /// Its channels and slope may be left out: they are those of `conv` and `slope`.
  BatchNorm2dOptions batch_norm{};
};

/// activation(norm(conv(x))); its parts are named "conv" and "norm". Throws Error where
/// `batch_norm` names other channels than the convolution's, or another slope.
class ConvBlock : public Module {
 public:
  ConvBlock(const ConvBlockOptions& options, Init& init);

  std::string describe() const override;

 protected:
  Tensor forward(const Tensor& x) override;
  void visit(ModuleVisitor& visitor) override;

 private:
  Module& conv();

  ConvBlockOptions options_;
  std::optional<Conv2d> conv_;
  std::optional<ConvTranspose2d> conv_transpose_;
  std::optional<BatchNorm2d> norm_;
};

}  // namespace whisker::inline v0_1::nn
