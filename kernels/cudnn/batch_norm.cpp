// The rows are the height of one picture [1, C, rows, 1] in NHWC. In this mode cuDNN's results have
// equal bits for equal calls; the "persistent" one is faster and may overflow.
#include <whisker/kernels/cudnn/activation.h>
#include <whisker/kernels/cudnn/batch_norm.h>
#include <whisker/kernels/cudnn/tensor_descriptor.h>

namespace whisker::inline v0_1::kernels::cudnn {
namespace {

constexpr cudnnBatchNormMode_t kMode = CUDNN_BATCHNORM_SPATIAL;
constexpr float kOne = 1.0F, kZero = 0.0F;

template <class T>
TensorDescriptor rows_of(const BatchNormShape& s) {
  return {kDataType<T>, nhwc_layout(1, s.rows, 1, s.channels)};
}

TensorDescriptor parameters_of(const BatchNormShape& s) {
  return {CUDNN_DATA_FLOAT, nhwc_layout(1, 1, 1, s.channels)};
}

template <class T>
Buffer allocate_rows(const BatchNormShape& s, cuda::Context& context) {
  return context.allocate(static_cast<std::size_t>(s.rows * s.channels) * sizeof(T));
}

/// normalize(z), and y = leaky_relu(z).
template <class T, class Normalize>
void with_leaky_relu(T* y, const BatchNormShape& s, cuda::Context& context,
                     const Normalize& normalize) {
  if (s.slope == 1.0) return normalize(y);
  const Buffer buffer = allocate_rows<T>(s, context);
  T* z = reinterpret_cast<T*>(buffer.get());
  normalize(z);
  unary_forward(z, y, s.rows * s.channels, LeakyRelu{s.slope}, context);
}

template <class T>
void normalize_by(const T* x, const float* gamma, const float* beta, const float* mean,
                  const float* variance, T* z, const BatchNormShape& s, cuda::Context& context) {
  const TensorDescriptor rows = rows_of<T>(s), parameters = parameters_of(s);
  const std::lock_guard lock(cudnn_mutex());
  check_cudnn(cudnn_api().batch_norm_forward_inference(
                  cudnn_handle(context), kMode, &kOne, &kZero, rows.get(), x, rows.get(), z,
                  parameters.get(), gamma, beta, mean, variance, s.epsilon),
              "cudnnBatchNormalizationForwardInference");
}

}  // namespace

template <class T>
void batch_norm_forward_training(const T* x, const float* gamma, const float* beta, float* mean,
                                 float* inverse_deviation, T* y, const BatchNormShape& s,
                                 cuda::Context& context) {
  constexpr double kNoAverage = 1.0;
  with_leaky_relu(y, s, context, [&](T* z) {
    const TensorDescriptor rows = rows_of<T>(s), parameters = parameters_of(s);
    const std::lock_guard lock(cudnn_mutex());
    check_cudnn(cudnn_api().batch_norm_forward_training(
                    cudnn_handle(context), kMode, &kOne, &kZero, rows.get(), x, rows.get(), z,
                    parameters.get(), gamma, beta, kNoAverage, nullptr, nullptr, s.epsilon, mean,
                    inverse_deviation),
                "cudnnBatchNormalizationForwardTraining");
  });
}

template <class T>
void batch_norm_forward(const T* x, const float* gamma, const float* beta, const float* mean,
                        const float* variance, T* y, const BatchNormShape& s,
                        cuda::Context& context) {
  with_leaky_relu(y, s, context,
                  [&](T* z) { normalize_by(x, gamma, beta, mean, variance, z, s, context); });
}

template <class T>
void batch_norm_backward(const T* x, const float* gamma, const float* beta, const float* mean,
                         const float* variance, const T* dy, T* dx, float* dgamma, float* dbeta,
                         const BatchNormShape& s, cuda::Context& context) {
  Buffer buffer;
  const T* dz = dy;
  if (s.slope != 1.0) {
    buffer = allocate_rows<T>(s, context);
    T* gradient = reinterpret_cast<T*>(buffer.get());
    T* z = dx;  // until dx is written
    normalize_by(x, gamma, beta, mean, variance, z, s, context);
    unary_backward<LeakyRelu, T>(dy, z, gradient, s.rows * s.channels, {s.slope}, context);
    dz = gradient;
  }
  batch_norm_backward_saved(x, gamma, nullptr, nullptr, dz, dx, dgamma, dbeta, s, context);
}

template <class T>
void batch_norm_backward_saved(const T* x, const float* gamma, const float* mean,
                               const float* inverse_deviation, const T* dz, T* dx, float* dgamma,
                               float* dbeta, const BatchNormShape& s, cuda::Context& context) {
  const TensorDescriptor rows = rows_of<T>(s), parameters = parameters_of(s);
  const std::lock_guard lock(cudnn_mutex());
  check_cudnn(cudnn_api().batch_norm_backward(cudnn_handle(context), kMode, &kOne, &kZero, &kOne,
                                              &kZero, rows.get(), x, rows.get(), dz, rows.get(), dx,
                                              parameters.get(), gamma, dgamma, dbeta, s.epsilon,
                                              mean, inverse_deviation),
              "cudnnBatchNormalizationBackward");
}

#define WHISKER_INSTANTIATE(T)                                                                    \
  template void batch_norm_forward_training(const T*, const float*, const float*, float*, float*, \
                                            T*, const BatchNormShape&, cuda::Context&);           \
  template void batch_norm_forward(const T*, const float*, const float*, const float*,            \
                                   const float*, T*, const BatchNormShape&, cuda::Context&);      \
  template void batch_norm_backward(const T*, const float*, const float*, const float*,           \
                                    const float*, const T*, T*, float*, float*,                   \
                                    const BatchNormShape&, cuda::Context&);                       \
  template void batch_norm_backward_saved(const T*, const float*, const float*, const float*,     \
                                          const T*, T*, float*, float*, const BatchNormShape&,    \
                                          cuda::Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cudnn
