// Losses of generative adversarial nets, on the discriminator's raw outputs [N, 1]; all are means
// over the batch in float32.
#pragma once

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1::nn {

/// -label log(sigmoid(logit)) - (1 - label) log(1 - sigmoid(logit)): Goodfellow et al. 2014. A soft
/// label such as 0.9 is Salimans et al.'s one-sided smoothing (2016).
Tensor sigmoid_cross_entropy(const Tensor& logits, double label);
/// (output - target)^2 / 2: Mao et al. 2017.
Tensor least_squares(const Tensor& output, double target);
/// max(0, 1 - real) + max(0, 1 + fake): Lim & Ye 2017; the generator's side is -fake.
Tensor hinge_discriminator(const Tensor& real, const Tensor& fake);
/// fake - real: Arjovsky et al. 2017; the generator's side is -fake.
Tensor wasserstein_critic(const Tensor& real, const Tensor& fake);
/// -fake, for the hinge and the Wasserstein loss.
Tensor negative_mean(const Tensor& fake);

}  // namespace whisker::inline v0_1::nn
