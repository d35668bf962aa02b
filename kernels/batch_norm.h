// Batch normalisation over the rows of x [rows, channels], with the leaky ReLU that follows it.
//
//   xhat = (x - mean[c]) / sqrt(variance[c] + epsilon)
//   y    = leaky_relu(gamma[c] * xhat + beta[c], slope)         slope 1 is no activation
//
// mean and variance are the rows' own in training (biased, n in the denominator) and running
// averages in inference. Follows Ioffe & Szegedy 2015; statistics by Chan, Golub & LeVeque 1979.
#pragma once

#include <cstdint>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels {

struct BatchNormShape {
  std::int64_t rows = 0, channels = 0;
  double epsilon = 1e-5;
  double slope = 1.0;
};

namespace cpu {

/// Writes mean and variance [channels] of x.
template <class T>
void batch_norm_statistics(const T* x, compute_type<T>* mean, compute_type<T>* variance,
                           const BatchNormShape& shape, Context& context);

/// y by the formula above with the given statistics.
template <class T>
void batch_norm_forward(const T* x, const compute_type<T>* gamma, const compute_type<T>* beta,
                        const compute_type<T>* mean, const compute_type<T>* variance, T* y,
                        const BatchNormShape& shape, Context& context);

/// Gradients through the batch's own statistics. With dz the gradient behind the activation:
///   dgamma = sum dz * xhat,  dbeta = sum dz,
///   dx = gamma / sqrt(variance + epsilon) * (dz - dbeta / rows - xhat * dgamma / rows)
template <class T>
void batch_norm_backward(const T* x, const compute_type<T>* gamma, const compute_type<T>* beta,
                         const compute_type<T>* mean, const compute_type<T>* variance, const T* dy,
                         T* dx, compute_type<T>* dgamma, compute_type<T>* dbeta,
                         const BatchNormShape& shape, Context& context);

}  // namespace cpu

namespace cuda {

struct Context;

/// As on the CPU; statistics by Welford's recurrence, merged by Chan's formula in fixed order.
template <class T>
void batch_norm_statistics(const T* x, float* mean, float* variance, const BatchNormShape& shape,
                           Context& context);
template <class T>
void batch_norm_forward(const T* x, const float* gamma, const float* beta, const float* mean,
                        const float* variance, T* y, const BatchNormShape& shape, Context& context);
template <class T>
void batch_norm_backward(const T* x, const float* gamma, const float* beta, const float* mean,
                         const float* variance, const T* dy, T* dx, float* dgamma, float* dbeta,
                         const BatchNormShape& shape, Context& context);

}  // namespace cuda
}  // namespace whisker::inline v0_1::kernels
