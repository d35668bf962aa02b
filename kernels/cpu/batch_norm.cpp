// Batch normalisation on rows of channels. Rows are cut into chunks that fit the first-level
// cache; a chunk gives its mean and its sum of squared distances from that mean, and chunks are
// combined in order by Chan's formula. Memory is read once for the statistics.
//
// Rows of few channels are folded: k rows of C channels are seen as one row of k * C, with the
// per-channel coefficients repeated, so that the inner loops are long enough for wide vectors.
#include <algorithm>
#include <cmath>
#include <vector>

#include <whisker/kernels/batch_norm.h>
#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/elementwise.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

/// The shape that the loops run on.
struct Folded {
  std::int64_t copies = 1, rows, channels, rows_per_chunk, chunks;

  Folded(const BatchNormShape& s, std::size_t element) {
    constexpr std::int64_t kWide = 64, kChunkBytes = 32 << 10;
    while (s.channels > 0 && s.channels * copies * 2 <= kWide && s.rows % (copies * 2) == 0 &&
           s.rows > 0)
      copies *= 2;
    rows = s.rows / copies;
    channels = s.channels * copies;
    const auto row_bytes = channels * static_cast<std::int64_t>(element);
    rows_per_chunk = std::max<std::int64_t>(kChunkBytes / std::max<std::int64_t>(row_bytes, 1), 4);
    chunks = (rows + rows_per_chunk - 1) / rows_per_chunk;
  }

  /// Calls body(first element, chunk, rows of it) for every chunk, in parallel.
  template <class Body>
  void for_each_chunk(const Body& body) const {
    parallel_for(rows, rows_per_chunk, [&](std::int64_t begin, std::int64_t end) {
      body(begin * channels, begin / rows_per_chunk, end - begin);
    });
  }

  template <class F>
  std::vector<F> repeat(const std::vector<F>& values) const {
    std::vector<F> result;
    for (std::int64_t i = 0; i < copies; ++i)
      result.insert(result.end(), values.begin(), values.end());
    return result;
  }
};

/// Per-channel coefficients, repeated for folded rows; scale = gamma / sqrt(variance + epsilon).
/// All loops take x - mean first: folded into scale * x + shift, a mean far larger than the
/// standard deviation would cost its digits.
template <class F>
struct Coefficients {
  std::vector<F> mean, scale, beta;

  Coefficients(const F* gamma, const F* beta_in, const F* mean_in, const F* variance,
               const BatchNormShape& s, const Folded& folded) {
    std::vector<F> once(static_cast<std::size_t>(s.channels));
    for (std::size_t c = 0; c < once.size(); ++c)
      once[c] = static_cast<F>(gamma[c] / std::sqrt(variance[c] + s.epsilon));
    scale = folded.repeat(once);
    mean = folded.repeat(std::vector<F>(mean_in, mean_in + s.channels));
    beta = folded.repeat(std::vector<F>(beta_in, beta_in + s.channels));
  }
};

// The loops below are plain functions on ranges, so that each can be compiled for several
// instruction sets: the templates are inlined into the clones at the end of this section.

template <class T>
[[gnu::always_inline]] inline void chunk_statistics(const T* __restrict x,
                                                    compute_type<T>* __restrict mean,
                                                    compute_type<T>* __restrict squares,
                                                    std::int64_t rows, std::int64_t channels) {
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
[[gnu::always_inline]] inline void normalise(const T* __restrict x,
                                             const compute_type<T>* __restrict mean,
                                             const compute_type<T>* __restrict scale,
                                             const compute_type<T>* __restrict beta,
                                             T* __restrict y, std::int64_t rows,
                                             std::int64_t channels, compute_type<T> slope) {
  using F = compute_type<T>;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) {
      const F z = scale[c] * (F(x[r * channels + c]) - mean[c]) + beta[c];
      y[r * channels + c] = T(leaky_relu(z, slope));
    }
}

/// dbeta[c] += dz and dgamma[c] += dz * (x - mean), the latter still to be scaled.
template <class T>
[[gnu::always_inline]] inline void backward_sums(
    const T* __restrict x, const T* __restrict dy, const compute_type<T>* __restrict mean,
    const compute_type<T>* __restrict scale, const compute_type<T>* __restrict beta,
    compute_type<T>* __restrict dgamma, compute_type<T>* __restrict dbeta, std::int64_t rows,
    std::int64_t channels, compute_type<T> slope) {
  using F = compute_type<T>;
  for (std::int64_t c = 0; c < channels; ++c)
    dgamma[c] = dbeta[c] = F(0);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) {
      const F centred = F(x[r * channels + c]) - mean[c];
      const F d = F(dy[r * channels + c]);
      const F dz = leaky_relu_gradient(d, scale[c] * centred + beta[c], slope);
      dbeta[c] += dz;
      dgamma[c] += dz * centred;
    }
}

/// dx = scale * (dz - mean_dz - factor * (x - mean)).
template <class T>
[[gnu::always_inline]] inline void backward_rows(
    const T* __restrict x, const T* __restrict dy, const compute_type<T>* __restrict mean,
    const compute_type<T>* __restrict scale, const compute_type<T>* __restrict beta,
    const compute_type<T>* __restrict factor, const compute_type<T>* __restrict mean_dz,
    T* __restrict dx, std::int64_t rows, std::int64_t channels, compute_type<T> slope) {
  using F = compute_type<T>;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < channels; ++c) {
      const F centred = F(x[r * channels + c]) - mean[c];
      const F d = F(dy[r * channels + c]);
      const F dz = leaky_relu_gradient(d, scale[c] * centred + beta[c], slope);
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
  const Folded f(s, sizeof(T));
  const Buffer scratch =
      context.allocate(static_cast<std::size_t>(2 * f.chunks * f.channels) * sizeof(F));
  F* means = reinterpret_cast<F*>(scratch.get());
  F* squares = means + f.chunks * f.channels;
  f.for_each_chunk([&](std::int64_t first, std::int64_t chunk, std::int64_t rows) {
    Loops<T>::statistics(x + first, means + chunk * f.channels, squares + chunk * f.channels, rows,
                         f.channels);
  });
  parallel_for(s.channels, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      double count = 0.0, average = 0.0, total = 0.0;
      for (std::int64_t chunk = 0; chunk < f.chunks; ++chunk) {
        const auto rows =
            static_cast<double>(std::min(f.rows_per_chunk, f.rows - chunk * f.rows_per_chunk));
        for (std::int64_t i = chunk * f.channels + c; i < (chunk + 1) * f.channels;
             i += s.channels) {
          const double delta = means[i] - average;
          total += squares[i] + delta * delta * count * rows / (count + rows);
          count += rows;
          average += delta * rows / count;
        }
      }
      mean[c] = static_cast<F>(average);
      variance[c] = static_cast<F>(count > 0.0 ? total / count : 0.0);
    }
  });
}

template <class T>
void batch_norm_forward(const T* x, const compute_type<T>* gamma, const compute_type<T>* beta,
                        const compute_type<T>* mean, const compute_type<T>* variance, T* y,
                        const BatchNormShape& s, Context&) {
  const Folded f(s, sizeof(T));
  const Coefficients<compute_type<T>> k(gamma, beta, mean, variance, s, f);
  f.for_each_chunk([&](std::int64_t first, std::int64_t, std::int64_t rows) {
    Loops<T>::forward(x + first, k.mean.data(), k.scale.data(), k.beta.data(), y + first, rows,
                      f.channels, static_cast<compute_type<T>>(s.slope));
  });
}

template <class T>
void batch_norm_backward(const T* x, const compute_type<T>* gamma, const compute_type<T>* beta,
                         const compute_type<T>* mean, const compute_type<T>* variance, const T* dy,
                         T* dx, compute_type<T>* dgamma, compute_type<T>* dbeta,
                         const BatchNormShape& s, Context& context) {
  using F = compute_type<T>;
  const Folded f(s, sizeof(T));
  const Coefficients<F> k(gamma, beta, mean, variance, s, f);
  const auto slope = static_cast<F>(s.slope);
  const Buffer scratch =
      context.allocate(static_cast<std::size_t>(2 * f.chunks * f.channels) * sizeof(F));
  F* dgammas = reinterpret_cast<F*>(scratch.get());
  F* dbetas = dgammas + f.chunks * f.channels;
  f.for_each_chunk([&](std::int64_t first, std::int64_t chunk, std::int64_t rows) {
    Loops<T>::sums(x + first, dy + first, k.mean.data(), k.scale.data(), k.beta.data(),
                   dgammas + chunk * f.channels, dbetas + chunk * f.channels, rows, f.channels,
                   slope);
  });
  std::vector<F> factor(static_cast<std::size_t>(s.channels)), mean_dz(factor.size());
  const auto rows = static_cast<double>(std::max<std::int64_t>(s.rows, 1));
  for (std::int64_t c = 0; c < s.channels; ++c) {
    double sum_dz = 0.0, sum_dz_x = 0.0;
    for (std::int64_t i = c; i < f.chunks * f.channels; i += s.channels) {
      sum_dz += dbetas[i];
      sum_dz_x += dgammas[i];
    }
    const auto i = static_cast<std::size_t>(c);
    const double inverse_std = 1.0 / std::sqrt(variance[c] + s.epsilon);
    dbeta[c] = static_cast<F>(sum_dz);
    dgamma[c] = static_cast<F>(sum_dz_x * inverse_std);
    factor[i] = static_cast<F>(inverse_std * inverse_std * sum_dz_x / rows);
    mean_dz[i] = static_cast<F>(sum_dz / rows);
  }
  factor = f.repeat(factor);
  mean_dz = f.repeat(mean_dz);
  f.for_each_chunk([&](std::int64_t first, std::int64_t, std::int64_t chunk_rows) {
    Loops<T>::backward(x + first, dy + first, k.mean.data(), k.scale.data(), k.beta.data(),
                       factor.data(), mean_dz.data(), dx + first, chunk_rows, f.channels, slope);
  });
}

#define WHISKER_INSTANTIATE(T)                                                                   \
  template void batch_norm_statistics<T>(const T*, compute_type<T>*, compute_type<T>*,           \
                                         const BatchNormShape&, Context&);                       \
  template void batch_norm_forward<T>(const T*, const compute_type<T>*, const compute_type<T>*,  \
                                      const compute_type<T>*, const compute_type<T>*, T*,        \
                                      const BatchNormShape&, Context&);                          \
  template void batch_norm_backward<T>(const T*, const compute_type<T>*, const compute_type<T>*, \
                                       const compute_type<T>*, const compute_type<T>*, const T*, \
                                       T*, compute_type<T>*, compute_type<T>*,                   \
                                       const BatchNormShape&, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)
WHISKER_INSTANTIATE(double)

}  // namespace whisker::inline v0_1::kernels::cpu
