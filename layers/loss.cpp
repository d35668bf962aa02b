#include <whisker/core/ops.h>
#include <whisker/layers/loss.h>

namespace whisker::inline v0_1::nn {
namespace {

/// Losses are means of many terms: their sum wants more than bfloat16's 8 bits.
Tensor widened(const Tensor& x) {
  return x.dtype() == Dtype::bfloat16 ? cast(x, Dtype::float32) : x;
}

}  // namespace

Tensor sigmoid_cross_entropy(const Tensor& logits, double label) {
  const Tensor x = widened(logits);
  return mean(
      sigmoid_cross_entropy_with_logits(x, Tensor::full(x.shape(), label, x.dtype(), x.device())));
}

Tensor least_squares(const Tensor& output, double target) {
  return 0.5 * mean(square(widened(output) - target));
}

Tensor hinge_discriminator(const Tensor& real, const Tensor& fake) {
  return mean(relu(affine(widened(real), -1.0, 1.0))) + mean(relu(widened(fake) + 1.0));
}

Tensor wasserstein_critic(const Tensor& real, const Tensor& fake) {
  return mean(widened(fake)) - mean(widened(real));
}

Tensor negative_mean(const Tensor& fake) {
  return -mean(widened(fake));
}

}  // namespace whisker::inline v0_1::nn
