// Matrix products beside cuBLAS, and the kernels that memory alone limits.
#ifdef WHISKER_CUDA
#include <array>

#include <whisker/core/ops/cast.h>
#include <whisker/core/random.h>
#include <whisker/kernels/batch_norm.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cudnn/activation.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/batch_norm.h>
#include <whisker/kernels/cudnn/matmul.h>
#include <whisker/kernels/optimizer.h>

#include "gpu_report.h"

namespace whisker_bench {
namespace {

using whisker::Tensor;
using whisker::kernels::MatmulShape;
namespace cuda = whisker::kernels::cuda;
namespace cudnn = whisker::kernels::cudnn;

struct Product {
  const char* name;
  MatmulShape shape;
};

/// The dense layers of the article's nets at batch 64, and one that fills any device.
constexpr Product kProducts[] = {
    {"G dense forward", {64, 65536, 100}},
    {"G dense backward weight", {100, 65536, 64, true, false}},
    {"D dense forward", {64, 1, 65536}},
    {"D dense backward data", {64, 65536, 1, false, true}},
    {"matrix product 8192^3", {8192, 8192, 8192}},
};

template <class T>
Tensor random(const whisker::Shape& shape, std::uint64_t seed) {
  return cast(whisker::random_uniform(shape, -1, 1, {.seed = seed}), whisker::dtype_of<T>);
}

template <class T>
GpuResult bench_product(const Product& product, const GpuSetting& setting) {
  const MatmulShape& s = product.shape;
  cuda::Context& context = setting.context;
  const Tensor a = random<T>({s.m * s.k}, 1), b = random<T>({s.k * s.n}, 2);
  Tensor c = Tensor::empty({s.m, s.n}, whisker::dtype_of<T>);
  Tensor rival_c = Tensor::empty({s.m, s.n}, whisker::dtype_of<T>);
  const T *a_data = a.kernel_data<T>(), *b_data = b.kernel_data<T>();
  GpuResult result{.name = product.name, .kernel = "matmul", .flops = s.flops()};
  std::vector<Body> bodies{
      [&] { cuda::matmul(a_data, b_data, c.kernel_mutable_data<T>(), s, context); }};
  if constexpr (cudnn::kWithCudnn) {
    if (cudnn::cublas_available()) {
      result.rival = "cuBLAS";
      bodies.emplace_back(
          [&] { cudnn::matmul(a_data, b_data, rival_c.kernel_mutable_data<T>(), s, context); });
    }
  }
  const std::vector<double> times = setting.timer.medians(bodies, setting.options.rounds);
  result.microseconds = times[0];
  if (times.size() == 1) return result;
  result.rival_microseconds = times[1];
  if (!(distance(c, rival_c) <= allowed_distance(setting.options.dtype)))
    result.wrong.push_back("differs from cuBLAS");
  return result;
}

/// What cuDNN does of bench_images, writing y; empty where there is no cuDNN.
struct ImageRivals {
  Body forward, backward, relu;
};

template <class T>
ImageRivals make_image_rivals(const Tensor& x, const Tensor& dy, const Tensor& gamma,
                              const Tensor& beta, Tensor& y,
                              const whisker::kernels::BatchNormShape& shape,
                              cuda::Context& context) {
  if constexpr (cudnn::kWithCudnn) {
    if (!cudnn::cudnn_available()) return {};
    const whisker::kernels::LeakyRelu relu{shape.slope};
    const std::int64_t size = x.numel();
    Tensor saved = Tensor::empty({4, shape.channels});
    Tensor saved_y = Tensor::empty(x.shape(), x.dtype()), dz = Tensor::empty(x.shape(), x.dtype());
    float *mean = saved.kernel_mutable_data<float>(), *deviation = mean + shape.channels,
          *dgamma = deviation + shape.channels, *dbeta = dgamma + shape.channels;
    const T *x_data = x.kernel_data<T>(), *dy_data = dy.kernel_data<T>();
    const float *gamma_data = gamma.kernel_data<float>(), *beta_data = beta.kernel_data<float>();
    T *y_data = y.kernel_mutable_data<T>(), *saved_data = saved_y.kernel_mutable_data<T>(),
      *dz_data = dz.kernel_mutable_data<T>();
    const auto forward = [=, &context](T* to) {
      cudnn::batch_norm_forward_training(x_data, gamma_data, beta_data, mean, deviation, to, shape,
                                         context);
    };
    forward(saved_data);
    return {.forward = [forward, y_data, saved] { forward(y_data); },
            // The leaky ReLU is a pass of its own, whose derivative reads the sign of its result.
            .backward =
                [=, &context, memory = std::array{saved, saved_y, dz}] {
                  cudnn::unary_backward<whisker::kernels::LeakyRelu, T>(
                      dy_data, saved_data, dz_data, size, relu, context);
                  cudnn::batch_norm_backward_saved<T>(x_data, gamma_data, mean, deviation, dz_data,
                                                      y_data, dgamma, dbeta, shape, context);
                },
            .relu = [=, &context] { cudnn::unary_forward(x_data, y_data, size, relu, context); }};
  }
  return {};
}

/// The second layer of D at batch 64, the largest behind which there is a batch norm.
template <class T>
std::vector<GpuResult> bench_images(const GpuSetting& setting) {
  constexpr std::int64_t kRows = 64 * 32 * 32 * 4, kChannels = 128;
  cuda::Context& context = setting.context;
  const Tensor x = random<T>({kRows, kChannels}, 1), dy = random<T>({kRows, kChannels}, 2);
  const Tensor gamma = random<float>({kChannels}, 3), beta = random<float>({kChannels}, 4);
  Tensor mean = Tensor::empty({kChannels}), variance = Tensor::empty({kChannels});
  Tensor dgamma = Tensor::empty({kChannels}), dbeta = Tensor::empty({kChannels});
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  const whisker::kernels::BatchNormShape shape{
      .rows = kRows, .channels = kChannels, .epsilon = 1e-5, .slope = 0.2};
  const double bytes = static_cast<double>(x.bytes());
  const T *x_data = x.kernel_data<T>(), *dy_data = dy.kernel_data<T>();
  T* y_data = y.kernel_mutable_data<T>();
  float *mean_data = mean.kernel_mutable_data<float>(),
        *variance_data = variance.kernel_mutable_data<float>();
  float *dgamma_data = dgamma.kernel_mutable_data<float>(),
        *dbeta_data = dbeta.kernel_mutable_data<float>();
  const float *gamma_data = gamma.kernel_data<float>(), *beta_data = beta.kernel_data<float>();

  Tensor rival_y = Tensor::empty(x.shape(), x.dtype());
  const ImageRivals rivals = make_image_rivals<T>(x, dy, gamma, beta, rival_y, shape, context);
  const Body statistics = [&] {
    cuda::batch_norm_statistics(x_data, mean_data, variance_data, shape, context);
  };
  const Body forward = [&] {
    cuda::batch_norm_forward(x_data, gamma_data, beta_data, mean_data, variance_data, y_data, shape,
                             context);
  };
  statistics();  // which the others read

  struct Case {
    const char* name;
    double arrays;  // of x's size that must be moved at the least
    Body body;
    Body rival;  // cuDNN's, where there is one
  };
  const Case cases[] = {
      {"batch norm statistics", 1, statistics},
      {"batch norm forward", 2, forward},
      {"batch norm forward in training", 3,
       [&] {
         statistics();
         forward();
       },
       rivals.forward},
      {"batch norm backward", 5,
       [&] {
         cuda::batch_norm_backward(x_data, gamma_data, beta_data, mean_data, variance_data, dy_data,
                                   y_data, dgamma_data, dbeta_data, shape, context);
       },
       rivals.backward},
      {"leaky ReLU", 2,
       [&] {
         cuda::unary_forward(x_data, y_data, x.numel(), whisker::kernels::LeakyRelu{0.2}, context);
       },
       rivals.relu}};
  std::vector<GpuResult> results;
  for (const Case& c : cases) {
    if (!is_wanted(c.name, setting.options)) continue;
    std::vector<Body> bodies{c.body};
    if (c.rival) bodies.push_back(c.rival);
    const std::vector<double> times = setting.timer.medians(bodies, setting.options.rounds);
    GpuResult result{
        .name = c.name, .kernel = "own", .microseconds = times[0], .bytes = c.arrays * bytes};
    if (c.rival) {
      result.rival = "cuDNN";
      result.rival_microseconds = times[1];
      if (!(distance(y, rival_y) <= allowed_distance(setting.options.dtype)))
        result.wrong.push_back("differs from cuDNN");
    }
    results.push_back(result);
  }
  return results;
}

/// All parameters of the article's nets at once.
GpuResult bench_adam(const GpuSetting& setting) {
  constexpr std::int64_t kParameters = 41'500'000;
  Tensor theta = Tensor::zeros({kParameters}), m = Tensor::zeros({kParameters}),
         v = Tensor::zeros({kParameters});
  const Tensor g = random<float>({kParameters}, 1);
  const whisker::kernels::AdamStep step{};
  const Body body = [&] {
    const std::array segments{whisker::kernels::Segment<float>{
        .theta = theta.kernel_mutable_data<float>(),
        .g = g.kernel_data<float>(),
        .slots = {m.kernel_mutable_data<float>(), v.kernel_mutable_data<float>()},
        .n = kParameters}};
    cuda::adam_update(segments, step, setting.context);
  };
  constexpr double kArrays = 7.0;  // four read, three written
  return {.name = "Adam, 41.5 million parameters",
          .kernel = "own",
          .microseconds = setting.timer.medians({body}, setting.options.rounds)[0],
          .bytes = kArrays * static_cast<double>(theta.bytes())};
}

}  // namespace

std::vector<GpuResult> bench_gpu_others(const GpuSetting& setting) {
  std::vector<GpuResult> results;
  const auto add = [&](const GpuResult& result) {
    results.push_back(result);
    print_line(result, setting.peak);
  };
  with_element_type(setting.options.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (const Product& product : kProducts)
      if (is_wanted(product.name, setting.options)) add(bench_product<T>(product, setting));
    for (const GpuResult& result : bench_images<T>(setting))
      add(result);
  });
  if (is_wanted("Adam", setting.options)) add(bench_adam(setting));
  return results;
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
