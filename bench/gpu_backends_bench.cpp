// Products and batch norms by our kernels and by NVIDIA's libraries: rows of the tuning table.
#ifdef WHISKER_CUDA
#include <functional>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>

#include <whisker/core/backend.h>
#include <whisker/core/ops/binary.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/matmul.h>
#include <whisker/core/random.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/batch_norm_choice.h>
#include <whisker/kernels/cuda/matmul_choice.h>

#include "gpu_compare.h"
#include "gpu_products.h"
#include "gpu_report.h"

namespace whisker_bench {
namespace {

using namespace whisker::kernels::cuda;
using whisker::Tensor;
using whisker::kernels::BatchNormShape;
using whisker::kernels::MatmulShape;

/// A problem that either backend may solve.
struct Contest {
  GpuResult result;  // what is known beforehand; rival is the library
  bool has_library;
  Tolerance allowed;
  std::function<void(Backend)> run;
  std::vector<std::pair<Tensor, Tensor>> results;  // of run, and as they must be
};

struct Winner {
  Backend backend = Backend::own;
  double microseconds = 0.0;
};

bool is_right(Contest& c, Backend backend, const std::string& whose) {
  for (auto& [actual, expected] : c.results)
    spoil(actual);
  c.run(backend);
  std::string off;
  for (const auto& [actual, expected] : c.results)
    if (off.empty()) off = difference(values_of(actual), values_of(expected), c.allowed);
  if (!off.empty()) c.result.wrong.push_back(whose + " is " + off);
  return off.empty();
}

/// Completes the result. There is no winner if our own kernel is wrong.
std::optional<Winner> hold(Contest& c, const GpuSetting& setting) {
  const std::string library = std::exchange(c.result.rival, "");
  c.result.kernel = "own";
  const bool own = is_right(c, Backend::own, c.result.kernel);
  const bool rival = c.has_library && is_right(c, Backend::library, library);
  if (!own) return std::nullopt;
  std::vector<Body> bodies{[&] { c.run(Backend::own); }};
  if (rival) bodies.emplace_back([&] { c.run(Backend::library); });
  const std::vector<double> times = setting.timer.medians(bodies, setting.options.rounds);
  c.result.microseconds = times[0];
  if (!rival) return Winner{Backend::own, times[0]};
  c.result.rival = library;
  c.result.rival_microseconds = times[1];
  // What differs by less than the noise stays with our own kernels.
  if (times[1] < 0.98 * times[0]) return Winner{Backend::library, times[1]};
  return Winner{Backend::own, times[0]};
}

template <class T>
Tensor random(const whisker::Shape& shape, std::uint64_t seed, double low = -1.0) {
  return cast(whisker::random_uniform(shape, low, 1, {.seed = seed}), whisker::dtype_of<T>);
}

Tensor on_cpu(const Tensor& t) {
  return cast(t, whisker::Dtype::float32).to(whisker::Device::cpu());
}

/// The dense layers at the deep end of nets with these convolutions.
std::vector<Product> products_of(const std::vector<ConvCase>& convolutions) {
  constexpr std::int64_t kLatent = 100;  // numbers that G starts from, as in the article
  std::vector<Product> products;
  std::int64_t channels = 0, batch = 0, features = 0;
  for (const ConvCase& c : convolutions) {
    if (c.shape.out_channels <= channels) continue;
    channels = c.shape.out_channels;
    batch = c.shape.batch;
    features = c.shape.out_h() * c.shape.out_w() * channels;
  }
  if (features == 0) return products;
  add_dense_layer("tune G dense", batch, kLatent, features, products);
  add_dense_layer("tune D dense", batch, features, 1, products);
  return products;
}

template <class T>
Contest make_contest(const Product& product, const GpuSetting& setting) {
  const MatmulShape& s = product.shape;
  const Tensor a =
      random<T>(s.transpose_a ? whisker::Shape{s.k, s.m} : whisker::Shape{s.m, s.k}, 1);
  const Tensor b =
      random<T>(s.transpose_b ? whisker::Shape{s.n, s.k} : whisker::Shape{s.k, s.n}, 2);
  Tensor c = Tensor::empty({s.m, s.n}, whisker::dtype_of<T>);
  const Tensor expected =
      matmul(on_cpu(a), on_cpu(b), {.transpose_a = s.transpose_a, .transpose_b = s.transpose_b});
  return {.result = {.name = product.name, .flops = s.flops(), .rival = "cuBLAS"},
          .has_library = cublas_usable(),
          .allowed = tolerance(setting.options.dtype, s.k),
          .run =
              [=, &context = setting.context](Backend backend) mutable {
                matmul(backend, a.kernel_data<T>(), b.kernel_data<T>(), c.kernel_mutable_data<T>(),
                       s, context);
              },
          .results = {{c, expected}}};
}

/// [rows, channels] on either side of the convolutions, pictures left out.
std::set<std::pair<std::int64_t, std::int64_t>> norms_of(
    const std::vector<ConvCase>& convolutions) {
  constexpr std::int64_t kPictureChannels = 4;
  std::set<std::pair<std::int64_t, std::int64_t>> norms;
  for (const ConvCase& c : convolutions) {
    const auto& s = c.shape;
    if (s.in_channels > kPictureChannels) norms.emplace(s.batch * s.in_h * s.in_w, s.in_channels);
    if (s.out_channels > kPictureChannels)
      norms.emplace(s.batch * s.out_h() * s.out_w(), s.out_channels);
  }
  return norms;
}

/// Channels whose mean is far larger than their deviation, which must cost no digits, and whose z
/// has one sign, so that no rounding changes what the leaky ReLU does. Gradients add up to more
/// than they cancel, so that sums can be compared.
template <class T>
struct NormData {
  explicit NormData(const BatchNormShape& s)
      : shape(s), x(Tensor::empty({s.rows, s.channels}, whisker::dtype_of<T>)) {
    constexpr double kMean = 32.0;
    const Tensor centred = whisker::random_uniform({s.rows, s.channels}, -1, 1, {.seed = 1});
    x = cast(add(centred, Tensor::full({1, s.channels}, kMean)), x.dtype());
    dy = cast(add(centred, random<float>(x.shape(), 2, 0.0)), x.dtype());
    std::vector<float> signs;
    for (std::int64_t c = 0; c < s.channels; ++c)
      signs.push_back(c % 2 == 0 ? 4.0F : -4.0F);
    beta = Tensor::from(signs, {s.channels});
    y = Tensor::empty(x.shape(), x.dtype());
    dx = Tensor::empty(x.shape(), x.dtype());
  }
  NormData to(whisker::Device device) const {
    NormData copy = *this;
    for (Tensor NormData::*t :
         {&NormData::x, &NormData::dy, &NormData::gamma, &NormData::beta, &NormData::mean,
          &NormData::variance, &NormData::y, &NormData::dx, &NormData::dgamma, &NormData::dbeta})
      copy.*t = (this->*t).to(device);
    return copy;
  }

  const T* x_data() const { return x.template kernel_data<T>(); }
  const T* dy_data() const { return dy.template kernel_data<T>(); }
  T* y_data() { return y.template kernel_mutable_data<T>(); }
  T* dx_data() { return dx.template kernel_mutable_data<T>(); }
  static const float* of(const Tensor& t) { return t.kernel_data<float>(); }
  static float* into(Tensor& t) { return t.kernel_mutable_data<float>(); }

  BatchNormShape shape;
  Tensor x, dy, y, dx;
  Tensor gamma = random<float>({shape.channels}, 3, 0.5), beta;
  Tensor mean = Tensor::empty({shape.channels}), variance = Tensor::empty({shape.channels});
  Tensor dgamma = Tensor::empty({shape.channels}), dbeta = Tensor::empty({shape.channels});
};

/// The same data with all results, computed by the CPU.
template <class T>
NormData<T> by_cpu(const NormData<T>& gpu) {
  using Data = NormData<T>;
  Data d = gpu.to(whisker::Device::cpu());
  whisker::with_context(whisker::Device::cpu(), [&](auto& context) {
    batch_norm_statistics(d.x_data(), Data::into(d.mean), Data::into(d.variance), d.shape, context);
    batch_norm_forward(d.x_data(), Data::of(d.gamma), Data::of(d.beta), Data::of(d.mean),
                       Data::of(d.variance), d.y_data(), d.shape, context);
    batch_norm_backward(d.x_data(), Data::of(d.gamma), Data::of(d.beta), Data::of(d.mean),
                        Data::of(d.variance), d.dy_data(), d.dx_data(), Data::into(d.dgamma),
                        Data::into(d.dbeta), d.shape, context);
  });
  return d;
}

template <class T>
Contest make_contest(BatchNormPass pass, const NormData<T>& gpu, const NormData<T>& cpu,
                     const std::string& name, const GpuSetting& setting) {
  using Data = NormData<T>;
  const bool forward = pass == BatchNormPass::forward;
  // TF32 is for products.
  const GpuDtype dtype = std::is_same_v<T, float> ? GpuDtype::float32 : GpuDtype::bfloat16;
  Contest contest{.result = {.name = name,
                             .bytes = (forward ? 2.0 : 5.0) * static_cast<double>(gpu.x.bytes()),
                             .rival = "cuDNN"},
                  .has_library = cudnn_usable(),
                  .allowed = tolerance(dtype, forward ? 1 : gpu.shape.rows)};
  contest.run = [=, d = gpu, &context = setting.context](Backend backend) mutable {
    if (forward)
      batch_norm_forward(backend, d.x_data(), Data::of(d.gamma), Data::of(d.beta), Data::of(d.mean),
                         Data::of(d.variance), d.y_data(), d.shape, context);
    else
      batch_norm_backward(backend, d.x_data(), Data::of(d.gamma), Data::of(d.beta),
                          Data::of(d.mean), Data::of(d.variance), d.dy_data(), d.dx_data(),
                          Data::into(d.dgamma), Data::into(d.dbeta), d.shape, context);
  };
  if (forward)
    contest.results = {{gpu.y, cpu.y}};
  else
    contest.results = {{gpu.dx, cpu.dx}, {gpu.dgamma, cpu.dgamma}, {gpu.dbeta, cpu.dbeta}};
  return contest;
}

}  // namespace

void bench_gpu_backends(const std::vector<ConvCase>& convolutions, const GpuSetting& setting) {
  // row: of the table, whose backend and time are the winner's
  const auto tune = [&](Contest contest, auto row) {
    if (const std::optional<Winner> winner = hold(contest, setting)) {
      row.backend = winner->backend;
      row.microseconds = winner->microseconds;
      setting.report.tune(row);
    }
    setting.report.add(contest.result);
  };
  with_element_type(setting.options.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (const Product& product : products_of(convolutions)) {
      if (!setting.wants(product.name)) continue;
      tune(make_contest<T>(product, setting),
           TunedMatmul{.shape = product.shape, .math = math_type<T>(setting.context.tf32)});
    }
    for (const auto& [rows, channels] : norms_of(convolutions)) {
      const BatchNormShape shape{.rows = rows, .channels = channels, .slope = 0.2};
      const std::string name =
          "tune batch norm " + std::to_string(rows) + "x" + std::to_string(channels);
      if (!setting.wants(name)) continue;
      NormData<T> gpu(shape);
      const NormData<T> cpu = by_cpu(gpu);
      gpu.mean = cpu.mean.to(gpu.x.device());
      gpu.variance = cpu.variance.to(gpu.x.device());
      for (const BatchNormPass pass : {BatchNormPass::forward, BatchNormPass::backward}) {
        const std::string passes = pass == BatchNormPass::forward ? " forward" : " backward";
        tune(make_contest(pass, gpu, cpu, name + passes, setting),
             TunedBatchNorm{.problem = batch_norm_problem<T>(pass, shape)});
      }
    }
  });
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
