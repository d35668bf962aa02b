// Batch normalisation on rows of channels. Rows are cut into chunks that fit the first-level
// cache; a chunk gives its mean and its sum of squared distances from that mean, and chunks are
// combined in order by Chan's formula. Memory is read once for the statistics.
#include <algorithm>
#include <cmath>
#include <vector>

#include <whisker/kernels/batch_norm.h>
#include <whisker/kernels/cpu/parallel.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

std::int64_t rows_per_chunk(std::int64_t channels, std::size_t element) {
  constexpr std::int64_t kChunkBytes = 32 << 10;
  return std::max<std::int64_t>(
      kChunkBytes / std::max<std::int64_t>(channels * static_cast<std::int64_t>(element), 1), 4);
}

/// scale[c] = gamma[c] / sqrt(variance[c] + epsilon). All loops take x - mean[c] first: folded into
/// scale * x + shift, a mean far larger than the standard deviation would cost its digits.
template <class T>
std::vector<compute_type<T>> scales(const compute_type<T>* gamma, const compute_type<T>* variance,
                                    const BatchNormShape& s) {
  std::vector<compute_type<T>> scale(static_cast<std::size_t>(s.channels));
  for (std::size_t c = 0; c < scale.size(); ++c)
    scale[c] = static_cast<compute_type<T>>(gamma[c] / std::sqrt(variance[c] + s.epsilon));
  return scale;
}

// The loops below are plain functions on ranges, so that each can be compiled for several
// instruction sets: the templates are inlined into the clones at the end of this section.

template <class T>
[[gnu::always_inline]] inline void chunk_statistics(const T* x, compute_type<T>* mean,
                                                    compute_type<T>* squares, std::int64_t rows,
                                                    std::int64_t channels) {
  using F = compute_type<T>;
  for (std::int64_t c = 0; c < channels; ++c)
    mean[c] = squares[c] = F(0);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c)
      mean[c] += F(x[r * channels + c]);
  const F inverse = F(1) / static_cast<F>(rows);
  for (std::int64_t c = 0; c < channels; ++c)
    mean[c] *= inverse;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) {
      const F distance = F(x[r * channels + c]) - mean[c];
      squares[c] += distance * distance;
    }
}

template <class T>
[[gnu::always_inline]] inline void normalise(const T* x, const compute_type<T>* mean,
                                             const compute_type<T>* scale,
                                             const compute_type<T>* beta, T* y, std::int64_t rows,
                                             std::int64_t channels, compute_type<T> slope) {
  using F = compute_type<T>;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) {
      const F z = scale[c] * (F(x[r * channels + c]) - mean[c]) + beta[c];
      y[r * channels + c] = T(z > F(0) ? z : slope * z);
    }
}

/// dbeta[c] += dz and dgamma[c] += dz * (x - mean), the latter still to be scaled.
template <class T>
[[gnu::always_inline]] inline void backward_sums(
    const T* x, const T* dy, const compute_type<T>* mean, const compute_type<T>* scale,
    const compute_type<T>* beta, compute_type<T>* dgamma, compute_type<T>* dbeta, std::int64_t rows,
    std::int64_t channels, compute_type<T> slope) {
  using F = compute_type<T>;
  for (std::int64_t c = 0; c < channels; ++c)
    dgamma[c] = dbeta[c] = F(0);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) {
      const F centred = F(x[r * channels + c]) - mean[c];
      const F d = F(dy[r * channels + c]);
      const F dz = scale[c] * centred + beta[c] > F(0) ? d : slope * d;
      dbeta[c] += dz;
      dgamma[c] += dz * centred;
    }
}

/// dx = scale * (dz - mean_dz - factor * (x - mean)).
template <class T>
[[gnu::always_inline]] inline void backward_rows(
    const T* x, const T* dy, const compute_type<T>* mean, const compute_type<T>* scale,
    const compute_type<T>* beta, const compute_type<T>* factor, const compute_type<T>* mean_dz,
    T* dx, std::int64_t rows, std::int64_t channels, compute_type<T> slope) {
  using F = compute_type<T>;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) {
      const F centred = F(x[r * channels + c]) - mean[c];
      const F d = F(dy[r * channels + c]);
      const F dz = scale[c] * centred + beta[c] > F(0) ? d : slope * d;
      dx[r * channels + c] = T(scale[c] * ((dz - mean_dz[c]) - factor[c] * centred));
    }
}

template <class T>
struct Loops;

#define WHISKER_BATCH_NORM_LOOPS(T)                                                              \
  template <>                                                                                    \
  struct Loops<T> {                                                                              \
    using F = compute_type<T>;                                                                   \
    WHISKER_SIMD_CLONES static void statistics(const T* x, F* mean, F* squares, std::int64_t n,  \
                                               std::int64_t channels) {                          \
      chunk_statistics(x, mean, squares, n, channels);                                           \
    }                                                                                            \
    WHISKER_SIMD_CLONES static void forward(const T* x, const F* mean, const F* scale,           \
                                            const F* beta, T* y, std::int64_t n,                 \
                                            std::int64_t channels, F slope) {                    \
      normalise(x, mean, scale, beta, y, n, channels, slope);                                    \
    }                                                                                            \
    WHISKER_SIMD_CLONES static void sums(const T* x, const T* dy, const F* mean, const F* scale, \
                                         const F* beta, F* dgamma, F* dbeta, std::int64_t n,     \
                                         std::int64_t channels, F slope) {                       \
      backward_sums(x, dy, mean, scale, beta, dgamma, dbeta, n, channels, slope);                \
    }                                                                                            \
    WHISKER_SIMD_CLONES static void backward(const T* x, const T* dy, const F* mean,             \
                                             const F* scale, const F* beta, const F* factor,     \
                                             const F* mean_dz, T* dx, std::int64_t n,            \
                                             std::int64_t channels, F slope) {                   \
      backward_rows(x, dy, mean, scale, beta, factor, mean_dz, dx, n, channels, slope);          \
    }                                                                                            \
  };
WHISKER_BATCH_NORM_LOOPS(float)
WHISKER_BATCH_NORM_LOOPS(bfloat16)
WHISKER_BATCH_NORM_LOOPS(double)

}  // namespace

template <class T>
void batch_norm_statistics(const T* x, compute_type<T>* mean, compute_type<T>* variance,
                           const BatchNormShape& s, Context& context) {
  using F = compute_type<T>;
  const std::int64_t per_chunk = rows_per_chunk(s.channels, sizeof(T));
  const std::int64_t chunks = (s.rows + per_chunk - 1) / per_chunk;
  const Buffer scratch =
      context.allocate(static_cast<std::size_t>(2 * chunks * s.channels) * sizeof(F));
  F* means = reinterpret_cast<F*>(scratch.get());
  F* squares = means + chunks * s.channels;
  parallel_for(s.rows, per_chunk, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t chunk = begin / per_chunk;
    Loops<T>::statistics(x + begin * s.channels, means + chunk * s.channels,
                         squares + chunk * s.channels, end - begin, s.channels);
  });
  parallel_for(s.channels, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      double count = 0.0, average = 0.0, total = 0.0;
      for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
        const auto rows = static_cast<double>(std::min(per_chunk, s.rows - chunk * per_chunk));
        const double delta = means[chunk * s.channels + c] - average;
        total += squares[chunk * s.channels + c] + delta * delta * count * rows / (count + rows);
        count += rows;
        average += delta * rows / count;
      }
      mean[c] = static_cast<F>(average);
      variance[c] = static_cast<F>(count > 0.0 ? total / count : 0.0);
    }
  });
}

template <class T>
void batch_norm_forward(const T* x, const compute_type<T>* gamma, const compute_type<T>* beta,
                        const compute_type<T>* mean, const compute_type<T>* variance, T* y,
                        const BatchNormShape& s) {
  const auto scale = scales<T>(gamma, variance, s);
  parallel_for(
      s.rows, rows_per_chunk(s.channels, sizeof(T)), [&](std::int64_t begin, std::int64_t end) {
        Loops<T>::forward(x + begin * s.channels, mean, scale.data(), beta, y + begin * s.channels,
                          end - begin, s.channels, static_cast<compute_type<T>>(s.slope));
      });
}

template <class T>
void batch_norm_backward(const T* x, const compute_type<T>* gamma, const compute_type<T>* beta,
                         const compute_type<T>* mean, const compute_type<T>* variance, const T* dy,
                         T* dx, compute_type<T>* dgamma, compute_type<T>* dbeta,
                         const BatchNormShape& s, Context& context) {
  using F = compute_type<T>;
  const auto scale = scales<T>(gamma, variance, s);
  const auto slope = static_cast<F>(s.slope);
  const std::int64_t per_chunk = rows_per_chunk(s.channels, sizeof(T));
  const std::int64_t chunks = (s.rows + per_chunk - 1) / per_chunk;
  const Buffer scratch =
      context.allocate(static_cast<std::size_t>(2 * chunks * s.channels) * sizeof(F));
  F* dgammas = reinterpret_cast<F*>(scratch.get());
  F* dbetas = dgammas + chunks * s.channels;
  parallel_for(s.rows, per_chunk, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t chunk = begin / per_chunk;
    Loops<T>::sums(x + begin * s.channels, dy + begin * s.channels, mean, scale.data(), beta,
                   dgammas + chunk * s.channels, dbetas + chunk * s.channels, end - begin,
                   s.channels, slope);
  });
  std::vector<F> factor(static_cast<std::size_t>(s.channels)), mean_dz(factor.size());
  const auto rows = static_cast<double>(std::max<std::int64_t>(s.rows, 1));
  for (std::int64_t c = 0; c < s.channels; ++c) {
    double sum_dz = 0.0, sum_dz_x = 0.0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      sum_dz += dbetas[chunk * s.channels + c];
      sum_dz_x += dgammas[chunk * s.channels + c];
    }
    const auto i = static_cast<std::size_t>(c);
    const double inverse_std = 1.0 / std::sqrt(variance[c] + s.epsilon);
    dbeta[c] = static_cast<F>(sum_dz);
    dgamma[c] = static_cast<F>(sum_dz_x * inverse_std);
    factor[i] = static_cast<F>(inverse_std * inverse_std * sum_dz_x / rows);
    mean_dz[i] = static_cast<F>(sum_dz / rows);
  }
  parallel_for(s.rows, per_chunk, [&](std::int64_t begin, std::int64_t end) {
    Loops<T>::backward(x + begin * s.channels, dy + begin * s.channels, mean, scale.data(), beta,
                       factor.data(), mean_dz.data(), dx + begin * s.channels, end - begin,
                       s.channels, slope);
  });
}

#define WHISKER_INSTANTIATE(T)                                                                   \
  template void batch_norm_statistics<T>(const T*, compute_type<T>*, compute_type<T>*,           \
                                         const BatchNormShape&, Context&);                       \
  template void batch_norm_forward<T>(const T*, const compute_type<T>*, const compute_type<T>*,  \
                                      const compute_type<T>*, const compute_type<T>*, T*,        \
                                      const BatchNormShape&);                                    \
  template void batch_norm_backward<T>(const T*, const compute_type<T>*, const compute_type<T>*, \
                                       const compute_type<T>*, const compute_type<T>*, const T*, \
                                       T*, compute_type<T>*, compute_type<T>*,                   \
                                       const BatchNormShape&, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)
WHISKER_INSTANTIATE(double)

}  // namespace whisker::inline v0_1::kernels::cpu
