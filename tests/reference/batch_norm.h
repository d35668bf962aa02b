// Batch normalisation over rows [rows, C] by its definition, see kernels/batch_norm.h.
#pragma once

#include <cmath>

#include "reference/array.h"

namespace whisker::reference {

struct BatchNorm {
  double epsilon = 1e-5, slope = 1.0;

  double activation_gradient(double z) const { return z > 0.0 ? 1.0 : slope; }
};

struct Statistics {
  Array mean, variance;  // [C], biased
};

inline Statistics statistics_of(const Array& x) {
  const std::int64_t channels = x.shape[-1], rows = x.shape.numel() / channels;
  Statistics s{Array({channels}), Array({channels})};
  for (std::int64_t i = 0; i < x.shape.numel(); ++i)
    s.mean[i % channels] += x[i] / static_cast<double>(rows);
  for (std::int64_t i = 0; i < x.shape.numel(); ++i) {
    const double distance = x[i] - s.mean[i % channels];
    s.variance[i % channels] += distance * distance / static_cast<double>(rows);
  }
  return s;
}

inline Array batch_norm_forward(const Array& x, const Array& gamma, const Array& beta,
                                const Statistics& s, const BatchNorm& options) {
  Array y(x.shape);
  const std::int64_t channels = x.shape[-1];
  for (std::int64_t i = 0; i < x.shape.numel(); ++i) {
    const std::int64_t c = i % channels;
    const double xhat = (x[i] - s.mean[c]) / std::sqrt(s.variance[c] + options.epsilon);
    const double z = gamma[c] * xhat + beta[c];
    y[i] = z > 0.0 ? z : options.slope * z;
  }
  return y;
}

struct BatchNormGradients {
  Array dx, dgamma, dbeta;
};

/// Through the statistics of the batch (training), or with constant ones (inference).
inline BatchNormGradients batch_norm_backward(const Array& x, const Array& gamma, const Array& beta,
                                              const Statistics& s, const Array& dy, bool training,
                                              const BatchNorm& options) {
  const std::int64_t channels = x.shape[-1];
  const double rows = static_cast<double>(x.shape.numel() / channels);
  BatchNormGradients g{Array(x.shape), Array({channels}), Array({channels})};
  Array xhat(x.shape), dz(x.shape);
  for (std::int64_t i = 0; i < x.shape.numel(); ++i) {
    const std::int64_t c = i % channels;
    xhat[i] = (x[i] - s.mean[c]) / std::sqrt(s.variance[c] + options.epsilon);
    dz[i] = dy[i] * options.activation_gradient(gamma[c] * xhat[i] + beta[c]);
    g.dbeta[c] += dz[i];
    g.dgamma[c] += dz[i] * xhat[i];
  }
  for (std::int64_t i = 0; i < x.shape.numel(); ++i) {
    const std::int64_t c = i % channels;
    const double through_statistics = training ? (g.dbeta[c] + xhat[i] * g.dgamma[c]) / rows : 0.0;
    g.dx[i] = gamma[c] / std::sqrt(s.variance[c] + options.epsilon) * (dz[i] - through_statistics);
  }
  return g;
}

}  // namespace whisker::reference
