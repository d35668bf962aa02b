// Differentiable batch normalisation, with the leaky ReLU that often follows it.
#pragma once

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

struct BatchNormOptions {
  double epsilon = 1e-5;
  double slope = 1.0;  // of the leaky ReLU on top; 1 is none
};

struct BatchNormResult {
  Tensor y;
  Tensor mean, variance;  // [C] of the batch, biased; outside the graph
};

/// Normalises x [..., C] by the statistics of its own rows, see kernels/batch_norm.h; gamma and
/// beta are [C], float32 beside bfloat16. Throws ShapeError.
BatchNormResult batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                           const BatchNormOptions& options = {});

/// Normalises x by given statistics [C], which are constants.
Tensor batch_norm_inference(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                            const Tensor& mean, const Tensor& variance,
                            const BatchNormOptions& options = {});

}  // namespace whisker::inline v0_1
