// Matrix products beside cuBLAS, and the kernels that memory alone limits.
#ifdef WHISKER_CUDA
#include <array>
#include <memory>
#include <span>
#include <utility>

#include <whisker/core/backend.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/random.h>
#include <whisker/kernels/batch_norm.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/matmul_choice.h>
#include <whisker/kernels/cudnn/activation.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/batch_norm.h>
#include <whisker/kernels/cudnn/matmul.h>
#include <whisker/kernels/optimizer.h>
#include <whisker/kernels/resample2d.h>

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
    {"G dense backward data", {64, 100, 65536, false, true}},
    {"G dense backward weight", {100, 65536, 64, true, false}},
    {"D dense forward", {64, 1, 65536}},
    {"D dense backward data", {64, 65536, 1, false, true}},
    {"D dense backward weight", {65536, 1, 64, true, false}},
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
  std::vector<Body> bodies{[&] {
    cuda::matmul(cuda::Backend::own, a_data, b_data, c.kernel_mutable_data<T>(), s, context);
  }};
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

/// What cuDNN does of image_cases(), writing y; empty where there is no cuDNN.
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

/// A kernel that memory alone limits, on tensors of the GPU and on others of the CPU.
struct MemoryCase {
  std::string name;
  double bytes;  // that must be moved at the least
  Body on_gpu, on_cpu;
  std::vector<std::pair<Tensor, Tensor>> results;  // of the one and the other
  Body rival{};                                    // cuDNN's, where there is one
  Tensor rival_result{};                           // to compare with the first of the results
};

GpuResult bench_memory(const MemoryCase& c, GpuDtype dtype, const GpuSetting& setting) {
  GpuResult result{.name = c.name, .kernel = "own", .bytes = c.bytes};
  c.on_gpu();
  c.on_cpu();
  for (const auto& [actual, expected] : c.results)
    if (!(distance(actual, expected) <= allowed_distance(dtype)))
      result.wrong = {"differs from CPU"};
  std::vector<Body> bodies{c.on_gpu};
  if (c.rival) bodies.push_back(c.rival);
  const std::vector<double> times = setting.timer.medians(bodies, setting.options.rounds);
  result.microseconds = times[0];
  if (!c.rival) return result;
  result.rival = "cuDNN";
  result.rival_microseconds = times[1];
  if (!(distance(c.results[0].first, c.rival_result) <= allowed_distance(dtype)))
    result.wrong.push_back("differs from cuDNN");
  return result;
}

/// What is made by default members goes to this device.
template <class Arrays>
Arrays made_on(whisker::Device device) {
  const whisker::DeviceScope scope(device);
  return {};
}

/// The second layer of D at batch 64, the largest behind which there is a batch norm, and its
/// pictures at half their size. The same numbers on every device.
template <class T>
struct Images {
  static constexpr std::int64_t kBatch = 64, kSide = 64, kChannels = 128;
  static constexpr std::int64_t kRows = kBatch * kSide * kSide;
  static constexpr whisker::kernels::BatchNormShape kNorm{
      .rows = kRows, .channels = kChannels, .epsilon = 1e-5, .slope = 0.2};

  Tensor x = random<T>({kRows, kChannels}, 1), dy = random<T>({kRows, kChannels}, 2);
  Tensor gamma = random<float>({kChannels}, 3), beta = random<float>({kChannels}, 4);
  Tensor small = random<T>({kRows / 4, kChannels}, 5);
  Tensor y = Tensor::empty(x.shape(), x.dtype()), pooled = Tensor::empty(small.shape(), x.dtype());
  Tensor mean = Tensor::zeros({kChannels}), variance = Tensor::full({kChannels}, 1.0 / 3.0);
  Tensor dgamma = Tensor::empty({kChannels}), dbeta = Tensor::empty({kChannels});

  static const float* of(const Tensor& t) { return t.kernel_data<float>(); }
  static float* to(Tensor& t) { return t.kernel_mutable_data<float>(); }
  const T* x_data() const { return x.kernel_data<T>(); }
  T* y_data() { return y.kernel_mutable_data<T>(); }

  void statistics() {
    with_context(x.device(), [&](auto& context) {
      batch_norm_statistics(x_data(), to(mean), to(variance), kNorm, context);
    });
  }
  void forward() {
    with_context(x.device(), [&](auto& context) {
      batch_norm_forward(x_data(), of(gamma), of(beta), of(mean), of(variance), y_data(), kNorm,
                         context);
    });
  }
  void train() {
    statistics();
    forward();
  }
  void backward() {
    with_context(x.device(), [&](auto& context) {
      batch_norm_backward(x_data(), of(gamma), of(beta), of(mean), of(variance),
                          dy.kernel_data<T>(), y_data(), to(dgamma), to(dbeta), kNorm, context);
    });
  }
  void leaky_relu() {
    with_context(x.device(), [&](auto& context) {
      unary_forward(x_data(), y_data(), x.numel(), whisker::kernels::LeakyRelu{0.2}, context);
    });
  }
  static whisker::kernels::Resample2dShape halves(double scale) {
    return {.batch = kBatch,
            .height = kSide / 2,
            .width = kSide / 2,
            .channels = kChannels,
            .scale = scale};
  }
  void upsample() {
    with_context(x.device(), [&](auto& context) {
      upsample2d(small.kernel_data<T>(), y_data(), halves(1.0), context);
    });
  }
  void pool() {
    with_context(x.device(), [&](auto& context) {
      block_sum2d(x_data(), pooled.kernel_mutable_data<T>(), halves(0.25), context);
    });
  }
};

template <class T>
std::vector<MemoryCase> image_cases(cuda::Context& context) {
  auto gpu = std::make_shared<Images<T>>(made_on<Images<T>>(whisker::Device::cuda()));
  auto cpu = std::make_shared<Images<T>>(made_on<Images<T>>(whisker::Device::cpu()));
  const whisker::DeviceScope scope(gpu->x.device());
  Tensor rival_y = Tensor::empty(gpu->x.shape(), gpu->x.dtype());
  const ImageRivals rivals = make_image_rivals<T>(gpu->x, gpu->dy, gpu->gamma, gpu->beta, rival_y,
                                                  Images<T>::kNorm, context);
  std::vector<MemoryCase> cases;
  // arrays: of x's size that must be moved at the least
  const auto add = [&](const char* name, double arrays, void (Images<T>::*kernel)(),
                       std::vector<Tensor Images<T>::*> results, const Body& rival = {}) {
    MemoryCase c{.name = name,
                 .bytes = arrays * static_cast<double>(gpu->x.bytes()),
                 .on_gpu = [gpu, kernel] { (*gpu.*kernel)(); },
                 .on_cpu = [cpu, kernel] { (*cpu.*kernel)(); }};
    for (const auto result : results)
      c.results.emplace_back(*gpu.*result, *cpu.*result);
    if (rival) {
      c.rival = rival;
      c.rival_result = rival_y;
    }
    cases.push_back(std::move(c));
  };
  using Arrays = Images<T>;
  add("batch norm statistics", 1, &Arrays::statistics, {&Arrays::variance});
  add("batch norm forward", 2, &Arrays::forward, {&Arrays::y});
  add("batch norm forward in training", 3, &Arrays::train, {&Arrays::y}, rivals.forward);
  add("batch norm backward", 5, &Arrays::backward, {&Arrays::y, &Arrays::dgamma, &Arrays::dbeta},
      rivals.backward);
  add("leaky ReLU", 2, &Arrays::leaky_relu, {&Arrays::y}, rivals.relu);
  add("upsample2d", 1.25, &Arrays::upsample, {&Arrays::y});
  add("avg_pool2d", 1.25, &Arrays::pool, {&Arrays::pooled});
  return cases;
}

/// All parameters of the article's nets at once, at the first step of training.
struct Parameters {
  static constexpr std::int64_t kCount = 41'500'000;
  static constexpr whisker::kernels::AdamStep kStep{.step_size = 2e-4 / (1.0 - 0.5),
                                                    .beta1 = 0.5,
                                                    .beta2 = 0.999,
                                                    .epsilon = 1e-8,
                                                    .inverse_sqrt_correction = 31.6227766};
  Tensor theta = Tensor::zeros({kCount}), m = Tensor::zeros({kCount}), v = Tensor::zeros({kCount});
  Tensor g = random<float>({kCount}, 1);

  void update() {
    const std::array segments{whisker::kernels::Segment<float>{
        .theta = theta.kernel_mutable_data<float>(),
        .g = g.kernel_data<float>(),
        .slots = {m.kernel_mutable_data<float>(), v.kernel_mutable_data<float>()},
        .n = kCount}};
    with_context(theta.device(), [&](auto& context) {
      adam_update(std::span<const whisker::kernels::Segment<float>>(segments), kStep, context);
    });
  }
};

GpuResult bench_adam(const GpuSetting& setting) {
  auto gpu = made_on<Parameters>(whisker::Device::cuda());
  auto cpu = made_on<Parameters>(whisker::Device::cpu());
  constexpr double kArrays = 7.0;  // four read, three written
  const MemoryCase adam{.name = "Adam, 41.5 million parameters",
                        .bytes = kArrays * static_cast<double>(gpu.theta.bytes()),
                        .on_gpu = [&] { gpu.update(); },
                        .on_cpu = [&] { cpu.update(); },
                        .results = {{gpu.theta, cpu.theta}, {gpu.m, cpu.m}, {gpu.v, cpu.v}}};
  return bench_memory(adam, GpuDtype::float32, setting);
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
    for (const MemoryCase& c : image_cases<T>(setting.context))
      if (is_wanted(c.name, setting.options)) add(bench_memory(c, setting.options.dtype, setting));
  });
  if (is_wanted("Adam", setting.options)) add(bench_adam(setting));
  return results;
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
