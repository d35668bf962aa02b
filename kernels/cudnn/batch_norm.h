// Batch normalisation by cuDNN: a fallback and a yardstick.
#pragma once

#include <whisker/kernels/batch_norm.h>
#include <whisker/kernels/cuda/context.h>

namespace whisker::inline v0_1::kernels::cudnn {

// As the functions of namespace cuda: T is float or bfloat16, statistics and sums are float, and
// the variance is biased. Needs 1 < rows * channels < 2^31. The leaky ReLU is a pass of its own
// (see activation.h), before which z is rounded to T, and none if shape.slope is 1. Throw Error
// where there is no cuDNN.

/// Statistics and y in one; writes mean and inverse_deviation = 1 / sqrt(variance + epsilon), both
/// [channels].
template <class T>
void batch_norm_forward_training(const T* x, const float* gamma, const float* beta, float* mean,
                                 float* inverse_deviation, T* y, const BatchNormShape& shape,
                                 cuda::Context& context);

/// y with the given statistics.
template <class T>
void batch_norm_forward(const T* x, const float* gamma, const float* beta, const float* mean,
                        const float* variance, T* y, const BatchNormShape& shape,
                        cuda::Context& context);

/// Gradients through the batch's own statistics, which cuDNN computes again: it wants 1 / sqrt of
/// the variance. The given ones serve the sign of z.
template <class T>
void batch_norm_backward(const T* x, const float* gamma, const float* beta, const float* mean,
                         const float* variance, const T* dy, T* dx, float* dgamma, float* dbeta,
                         const BatchNormShape& shape, cuda::Context& context);

/// The same from dz, the gradient behind the activation, with what batch_norm_forward_training has
/// saved, or with both null.
template <class T>
void batch_norm_backward_saved(const T* x, const float* gamma, const float* mean,
                               const float* inverse_deviation, const T* dz, T* dx, float* dgamma,
                               float* dbeta, const BatchNormShape& shape, cuda::Context& context);

}  // namespace whisker::inline v0_1::kernels::cudnn
