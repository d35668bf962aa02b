// Batch normalisation with a fused leaky ReLU, see kernels/batch_norm.h for the formulas.
//
// All passes walk [rows, channels] as row_tiles.cuh says, so that many rows of few channels and few
// rows of many channels are both parallel. Statistics and gradient sums take two launches: blocks
// reduce parts of the rows, and one block per tile of channels combines the parts in order.
//
// Statistics: every thread runs Welford's recurrence on x - pivot, the pivot being one row of the
// block's own, so that a mean far larger than the standard deviation costs no digits; lanes, folded
// copies and blocks are merged by Chan's formula (Chan, Golub & LeVeque 1979).
#include <cmath>

#include <whisker/kernels/batch_norm.h>
#include <whisker/kernels/cuda/batch_norm_choice.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/row_tiles.cuh>
#include <whisker/kernels/cuda/vector.cuh>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/batch_norm.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr std::int64_t kMostReductionBlocks = 512;  // more do not make a reduction faster
constexpr std::int64_t kMostMapBlocks = 4096;       // each computes its coefficients once

/// Of a set of values; squares is the sum of squared distances from the mean.
struct Moments {
  float count, mean, squares;
};

__device__ __forceinline__ Moments merge(const Moments& a, const Moments& b) {
  const float count = a.count + b.count;
  if (b.count == 0.0f) return a;
  const float delta = b.mean - a.mean, weight = b.count / count;
  return {count, a.mean + delta * weight, a.squares + b.squares + delta * delta * a.count * weight};
}

/// What one block found for one channel, the mean being relative to the pivot; the number of rows
/// follows from the block's index.
struct PartMoments {
  float pivot, mean, squares;
};

template <int kCount, class T>
__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_part_moments_kernel(const T* x, PartMoments* parts, RowTiles tiles) {
  WHISKER_SHARED(Moments, scratch, [kRowLanes][kTileColumns<kCount>]);
  const std::int64_t first_row = std::int64_t{blockIdx.y} * tiles.rows_per_block * tiles.fold;
  const T* pivots = x + first_row * tiles.channels;
  float pivot[kCount] = {}, mean[kCount] = {}, squares[kCount] = {};
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    if (const std::int64_t column = first_column<kCount>() + i; column < tiles.width())
      pivot[i] = static_cast<float>(pivots[column % tiles.channels]);
  float whole_rows = 0.0f;
  unsigned in_last_row = 0;  // a bit for each column that the row that ends early has
  for_each_row<kCount>(tiles, blockIdx.y, [&](std::int64_t at, int first, auto count) {
    const auto values = load_vector<count>(x + at);
    const float inverse = 1.0f / (whole_rows + 1.0f);
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const float value = values.values[i] - pivot[first + i];
      const float delta = value - mean[first + i];
      mean[first + i] += delta * inverse;
      squares[first + i] += delta * (value - mean[first + i]);
    }
    if constexpr (count == kCount)
      whole_rows += 1.0f;
    else
      in_last_row |= 1u << first;
  });
  Moments moments[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    moments[i] = {whole_rows + static_cast<float>(in_last_row >> i & 1u), mean[i], squares[i]};
  combine_columns<kCount>(tiles, moments, scratch, merge,
                          [&](std::int64_t channel, const Moments& m) {
                            parts[std::int64_t{blockIdx.y} * tiles.channels + channel] = {
                                static_cast<float>(pivots[channel]), m.mean, m.squares};
                          });
}

/// Merges parts [tiles.row_blocks, channels]; `walk` is the partition of that matrix.
__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_merge_moments_kernel(const PartMoments* parts, float* mean, float* variance,
                                    RowTiles tiles, RowTiles walk) {
  WHISKER_SHARED(Moments, scratch, [kRowLanes][kTileColumns<1>]);
  // Means relative to the first pivot: the differences of pivots are of the size of deviations.
  Moments total[1] = {};
  const auto channels = static_cast<std::uint32_t>(tiles.channels);
  for_each_row<1>(walk, 0, [&](std::int64_t at, int, auto) {
    const std::uint32_t part = static_cast<std::uint32_t>(at) / channels;
    const float pivot = parts[static_cast<std::uint32_t>(at) % channels].pivot;
    const PartMoments p = parts[at];
    total[0] = merge(
        total[0], {static_cast<float>(tiles.rows_in(part)), p.pivot - pivot + p.mean, p.squares});
  });
  combine_columns<1>(walk, total, scratch, merge, [&](std::int64_t channel, const Moments& m) {
    mean[channel] = parts[channel].pivot + m.mean;
    variance[channel] = m.squares / m.count;
  });
}

/// The four arrays [channels] that belong to every normalisation.
struct PerChannel {
  const float *gamma, *beta, *mean, *variance;
};

/// How one element is normalised: z = scale * (x - mean) + beta. The difference is taken first, for
/// in scale * x + shift a mean far larger than the standard deviation would cost its digits.
template <int kCount>
struct Coefficients {
  float mean[kCount], scale[kCount], beta[kCount];
  std::int64_t channel[kCount];

  __device__ Coefficients(const PerChannel& of, const RowTiles& tiles, float epsilon) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const std::int64_t column = first_column<kCount>() + i;
      const std::int64_t c = channel[i] = column < tiles.width() ? column % tiles.channels : 0;
      mean[i] = of.mean[c];
      scale[i] = of.gamma[c] / std::sqrt(of.variance[c] + epsilon);
      beta[i] = of.beta[c];
    }
  }
  /// The gradient behind the activation.
  __device__ float dz(int i, float centred, float dy, float slope) const {
    return leaky_relu_gradient(dy, scale[i] * centred + beta[i], slope);
  }
};

template <int kCount, class T>
__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_forward_kernel(const T* x, PerChannel of, T* y, RowTiles tiles, float epsilon,
                              float slope) {
  const Coefficients<kCount> k(of, tiles, epsilon);
  for_each_row<kCount>(tiles, blockIdx.y, [&](std::int64_t at, int first, auto count) {
    auto values = load_vector<count>(x + at);
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const int column = first + i;
      const float z = k.scale[column] * (values.values[i] - k.mean[column]) + k.beta[column];
      values.values[i] = leaky_relu(z, slope);
    }
    store_vector<count>(values, y + at);
  });
}

/// sum dz and sum dz * (x - mean) of one channel.
struct GradientSums {
  double dz, dz_x;
};

__device__ __forceinline__ GradientSums add(const GradientSums& a, const GradientSums& b) {
  return {a.dz + b.dz, a.dz_x + b.dz_x};
}

template <int kCount, class T>
__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_part_gradients_kernel(const T* x, const T* dy, PerChannel of, GradientSums* parts,
                                     RowTiles tiles, float epsilon, float slope) {
  WHISKER_SHARED(GradientSums, scratch, [kRowLanes][kTileColumns<kCount>]);
  const Coefficients<kCount> k(of, tiles, epsilon);
  float sum_dz[kCount] = {}, sum_dz_x[kCount] = {};
  for_each_row<kCount>(tiles, blockIdx.y, [&](std::int64_t at, int first, auto count) {
    const auto values = load_vector<count>(x + at), gradients = load_vector<count>(dy + at);
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const float centred = values.values[i] - k.mean[first + i];
      const float dz = k.dz(first + i, centred, gradients.values[i], slope);
      sum_dz[first + i] += dz;
      sum_dz_x[first + i] += dz * centred;
    }
  });
  GradientSums sums[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    sums[i] = {sum_dz[i], sum_dz_x[i]};
  combine_columns<kCount>(tiles, sums, scratch, add,
                          [&](std::int64_t channel, const GradientSums& s) {
                            parts[std::int64_t{blockIdx.y} * tiles.channels + channel] = s;
                          });
}

/// What dx = scale * (dz - mean_dz - factor * (x - mean)) takes from the sums.
struct Correction {
  float mean_dz, factor;
};

__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_sum_gradients_kernel(const GradientSums* parts, const float* variance, float* dgamma,
                                    float* dbeta, Correction* corrections, RowTiles walk,
                                    std::int64_t rows, float epsilon) {
  WHISKER_SHARED(GradientSums, scratch, [kRowLanes][kTileColumns<1>]);
  GradientSums total[1] = {};
  for_each_row<1>(walk, 0,
                  [&](std::int64_t at, int, auto) { total[0] = add(total[0], parts[at]); });
  combine_columns<1>(walk, total, scratch, add, [&](std::int64_t channel, const GradientSums& s) {
    const float inverse_std = 1.0f / std::sqrt(variance[channel] + epsilon);
    const double inverse_rows = 1.0 / static_cast<double>(rows);
    dbeta[channel] = static_cast<float>(s.dz);
    dgamma[channel] = static_cast<float>(s.dz_x) * inverse_std;
    corrections[channel] = {static_cast<float>(s.dz * inverse_rows),
                            inverse_std * inverse_std * static_cast<float>(s.dz_x * inverse_rows)};
  });
}

template <int kCount, class T>
__global__ void __launch_bounds__(kRowTileThreads)
    batch_norm_backward_kernel(const T* x, const T* dy, PerChannel of,
                               const Correction* corrections, T* dx, RowTiles tiles, float epsilon,
                               float slope) {
  const Coefficients<kCount> k(of, tiles, epsilon);
  Correction correction[kCount];
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    correction[i] = corrections[k.channel[i]];
  for_each_row<kCount>(tiles, blockIdx.y, [&](std::int64_t at, int first, auto count) {
    const auto gradients = load_vector<count>(dy + at);
    auto values = load_vector<count>(x + at);
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const Correction& c = correction[first + i];
      const float centred = values.values[i] - k.mean[first + i];
      const float dz = k.dz(first + i, centred, gradients.values[i], slope);
      values.values[i] = k.scale[first + i] * ((dz - c.mean_dz) - c.factor * centred);
    }
    store_vector<count>(values, dx + at);
  });
}

LaunchConfig config_for(const char* name, const RowTiles& tiles, const Context& context,
                        CallSite site = CallSite::here()) {
  return {name,
          dim3(tiles.column_blocks, tiles.row_blocks),
          dim3(kColumnLanes, kRowLanes),
          context.stream,
          0,
          site};
}

template <class Part>
Buffer allocate_parts(std::int64_t count, Context& context) {
  return context.allocate(static_cast<std::size_t>(count) * sizeof(Part));
}

template <int kCount, class T>
void statistics(const T* x, float* mean, float* variance, const BatchNormShape& s,
                Context& context) {
  const RowTiles tiles = make_row_tiles<kCount>(s.rows, s.channels, kMostReductionBlocks);
  const RowTiles walk = make_row_tiles<1>(tiles.row_blocks, s.channels, 1);
  const Buffer buffer = allocate_parts<PartMoments>(tiles.row_blocks * s.channels, context);
  auto* parts = reinterpret_cast<PartMoments*>(buffer.get());
  launch(config_for("batch_norm_part_moments", tiles, context),
         batch_norm_part_moments_kernel<kCount, T>, x, parts, tiles);
  launch(config_for("batch_norm_merge_moments", walk, context), batch_norm_merge_moments_kernel,
         parts, mean, variance, tiles, walk);
}

template <int kCount, class T>
void backward(const T* x, const PerChannel& of, const T* dy, T* dx, float* dgamma, float* dbeta,
              const BatchNormShape& s, Context& context) {
  const auto epsilon = static_cast<float>(s.epsilon), slope = static_cast<float>(s.slope);
  const RowTiles tiles = make_row_tiles<kCount>(s.rows, s.channels, kMostReductionBlocks);
  const RowTiles walk = make_row_tiles<1>(tiles.row_blocks, s.channels, 1);
  const Buffer part_buffer = allocate_parts<GradientSums>(tiles.row_blocks * s.channels, context);
  const Buffer correction_buffer = allocate_parts<Correction>(s.channels, context);
  auto* parts = reinterpret_cast<GradientSums*>(part_buffer.get());
  auto* corrections = reinterpret_cast<Correction*>(correction_buffer.get());
  launch(config_for("batch_norm_part_gradients", tiles, context),
         batch_norm_part_gradients_kernel<kCount, T>, x, dy, of, parts, tiles, epsilon, slope);
  launch(config_for("batch_norm_sum_gradients", walk, context), batch_norm_sum_gradients_kernel,
         parts, of.variance, dgamma, dbeta, corrections, walk, s.rows, epsilon);
  const RowTiles map = make_row_tiles<kCount>(s.rows, s.channels, kMostMapBlocks);
  launch(config_for("batch_norm_backward", map, context), batch_norm_backward_kernel<kCount, T>, x,
         dy, of, corrections, dx, map, epsilon, slope);
}

/// Calls body with the number of elements that a thread moves at a time, as a constant.
template <class T, class Body, class... Arrays>
void with_vector_width(std::int64_t channels, const Body& body, const Arrays*... arrays) {
  constexpr int kCount = kVectorWidth<T>;
  if (folds_into_vectors<kCount>(channels) && aligned_for<kCount>(arrays...))
    return body(CountOf<kCount>{});
  body(CountOf<1>{});
}

}  // namespace

template <class T>
void batch_norm_statistics(const T* x, float* mean, float* variance, const BatchNormShape& s,
                           Context& context) {
  if (s.rows == 0) {
    fill(0.0f, mean, s.channels, context);
    return fill(0.0f, variance, s.channels, context);
  }
  if (s.channels == 0) return;
  with_vector_width<T>(
      s.channels, [&](auto count) { statistics<count>(x, mean, variance, s, context); }, x);
}

template <class T>
void batch_norm_forward(Backend backend, const T* x, const float* gamma, const float* beta,
                        const float* mean, const float* variance, T* y, const BatchNormShape& s,
                        Context& context) {
  if (s.rows * s.channels == 0) return;
  if (backend == Backend::library) {
    if constexpr (cudnn::kWithCudnn)
      return cudnn::batch_norm_forward(x, gamma, beta, mean, variance, y, s, context);
    else
      throw Error("batch_norm: this build has no cuDNN");
  }
  const PerChannel of{gamma, beta, mean, variance};
  with_vector_width<T>(
      s.channels,
      [&](auto count) {
        const RowTiles tiles = make_row_tiles<count>(s.rows, s.channels, kMostMapBlocks);
        launch(config_for("batch_norm_forward", tiles, context),
               batch_norm_forward_kernel<count, T>, x, of, y, tiles, static_cast<float>(s.epsilon),
               static_cast<float>(s.slope));
      },
      x, y);
}

template <class T>
void batch_norm_forward(const T* x, const float* gamma, const float* beta, const float* mean,
                        const float* variance, T* y, const BatchNormShape& s, Context& context) {
  const auto problem = batch_norm_problem<T>(BatchNormPass::forward, s);
  batch_norm_forward(select_batch_norm_backend(problem, context), x, gamma, beta, mean, variance, y,
                     s, context);
}

template <class T>
void batch_norm_backward(Backend backend, const T* x, const float* gamma, const float* beta,
                         const float* mean, const float* variance, const T* dy, T* dx,
                         float* dgamma, float* dbeta, const BatchNormShape& s, Context& context) {
  if (s.rows == 0) {
    fill(0.0f, dgamma, s.channels, context);
    return fill(0.0f, dbeta, s.channels, context);
  }
  if (s.channels == 0) return;
  if (backend == Backend::library) {
    if constexpr (cudnn::kWithCudnn)
      return cudnn::batch_norm_backward(x, gamma, beta, mean, variance, dy, dx, dgamma, dbeta, s,
                                        context);
    else
      throw Error("batch_norm: this build has no cuDNN");
  }
  const PerChannel of{gamma, beta, mean, variance};
  with_vector_width<T>(
      s.channels, [&](auto count) { backward<count>(x, of, dy, dx, dgamma, dbeta, s, context); }, x,
      dy, dx);
}

template <class T>
void batch_norm_backward(const T* x, const float* gamma, const float* beta, const float* mean,
                         const float* variance, const T* dy, T* dx, float* dgamma, float* dbeta,
                         const BatchNormShape& s, Context& context) {
  const auto problem = batch_norm_problem<T>(BatchNormPass::backward, s);
  batch_norm_backward(select_batch_norm_backend(problem, context), x, gamma, beta, mean, variance,
                      dy, dx, dgamma, dbeta, s, context);
}

#define WHISKER_INSTANTIATE(T)                                                                     \
  template void batch_norm_statistics<T>(const T*, float*, float*, const BatchNormShape&,          \
                                         Context&);                                                \
  template void batch_norm_forward<T>(Backend, const T*, const float*, const float*, const float*, \
                                      const float*, T*, const BatchNormShape&, Context&);          \
  template void batch_norm_forward<T>(const T*, const float*, const float*, const float*,          \
                                      const float*, T*, const BatchNormShape&, Context&);          \
  template void batch_norm_backward<T>(Backend, const T*, const float*, const float*,              \
                                       const float*, const float*, const T*, T*, float*, float*,   \
                                       const BatchNormShape&, Context&);                           \
  template void batch_norm_backward<T>(const T*, const float*, const float*, const float*,         \
                                       const float*, const T*, T*, float*, float*,                 \
                                       const BatchNormShape&, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cuda
