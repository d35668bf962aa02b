// Matrix products beside cuBLAS, and what runs over all parameters at once.
#ifdef WHISKER_CUDA
#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <whisker/core/ops/cast.h>
#include <whisker/core/random.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/matmul_choice.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/matmul.h>
#include <whisker/kernels/optimizer.h>
#include <whisker/kernels/random.h>

#include "gpu_memory_bench.h"
#include "gpu_products.h"

namespace whisker_bench {
namespace {

using whisker::Tensor;
using whisker::kernels::MatmulShape;
namespace cuda = whisker::kernels::cuda;
namespace cudnn = whisker::kernels::cudnn;

/// The dense layers of the article's nets, and one that fills any device.
std::vector<Product> products(const GpuOptions& options) {
  const std::int64_t batch = options.batch, z = 100, side = options.image_size / 16;
  const std::int64_t features = side * side * std::max(1024 / options.divide_widths, 1);
  const std::int64_t size = options.product_size;
  std::vector<Product> products;
  add_dense_layer("G dense", batch, z, features, products);
  add_dense_layer("D dense", batch, features, 1, products);
  products.push_back({whisker::str("matrix product ", size, "^3"), {size, size, size}});
  return products;
}

/// The definition, in double, at some thousand places.
std::vector<float> expected_product(const Tensor& a, const Tensor& b, const MatmulShape& s,
                                    const Sample& sample) {
  const auto on_host = [](const Tensor& t) {
    return cast(t, whisker::Dtype::float32).to_vector<float>();
  };
  const std::vector<float> a_values = on_host(a), b_values = on_host(b);
  const auto at = [](const std::vector<float>& values, std::int64_t i) {
    return double{values[static_cast<std::size_t>(i)]};
  };
  std::vector<float> result;
  for (const std::int64_t start : sample.starts())
    for (std::int64_t i = start; i < start + sample.row; ++i) {
      const std::int64_t row = i / s.n, column = i % s.n;
      double sum = 0.0;
      for (std::int64_t k = 0; k < s.k; ++k)
        sum += at(a_values, s.transpose_a ? k * s.m + row : row * s.k + k) *
               at(b_values, s.transpose_b ? column * s.k + k : k * s.n + column);
      result.push_back(static_cast<float>(sum));
    }
  return result;
}

template <class T>
void bench_product(const Product& product, const GpuSetting& setting) {
  const MatmulShape& s = product.shape;
  cuda::Context& context = setting.context;
  const auto random = [](std::int64_t size, std::uint64_t seed) {
    return cast(whisker::random_uniform({size}, -1, 1, {.seed = seed}), whisker::dtype_of<T>);
  };
  const Tensor a = random(s.m * s.k, 1), b = random(s.k * s.n, 2);
  Tensor c = Tensor::empty({s.m, s.n}, whisker::dtype_of<T>);
  const T *a_data = a.kernel_data<T>(), *b_data = b.kernel_data<T>();
  T* c_data = c.kernel_mutable_data<T>();
  const auto sample = Sample::of(c.numel(), 4096, 1);
  const std::vector<float> expected = expected_product(a, b, s, sample);

  GpuResult result{.name = product.name, .kernel = "matmul", .flops = s.flops()};
  const auto is_right = [&](const char* whose, const Body& body) {
    spoil(c);
    body();
    const std::string off =
        difference(values_of(c, sample), expected, tolerance(setting.options.dtype, s.k));
    if (!off.empty()) result.wrong.push_back(std::string(whose) + " is " + off);
    return off.empty();
  };
  std::vector<Body> bodies{
      [&] { cuda::matmul(cuda::Backend::own, a_data, b_data, c_data, s, context); }};
  is_right("own", bodies[0]);
  if constexpr (cudnn::kWithCudnn) {
    const Body rival = [&] { cudnn::matmul(a_data, b_data, c_data, s, context); };
    if (cudnn::cublas_available() && is_right("cuBLAS", rival)) {
      result.rival = "cuBLAS";
      bodies.push_back(rival);
    }
  }
  const std::vector<double> times = setting.timer.medians(bodies, setting.options.rounds);
  result.microseconds = times[0];
  if (times.size() > 1) result.rival_microseconds = times[1];
  setting.report.add(result);
}

/// All parameters of the article's nets at once, at the first step of training.
struct Parameters {
  explicit Parameters(std::int64_t count)
      : theta(Tensor::zeros({count})),
        first(Tensor::zeros({count})),
        second(Tensor::zeros({count})),
        g(whisker::random_uniform({count}, -1, 1, {.seed = 1})),
        half(cast(g, whisker::Dtype::bfloat16)) {}

  std::array<whisker::kernels::Segment<float>, 1> segments() {
    const auto to = [](Tensor& t) { return t.kernel_mutable_data<float>(); };
    return {{{to(theta), g.kernel_data<float>(), {to(first), to(second)}, g.numel()}}};
  }

  Tensor theta, first, second;  // first and second: the optimizer's slots
  Tensor g, half;               // half: of bfloat16
};

template <class Update>
auto update_all(const Update& update) {
  return [update](Parameters& p, auto& context) {
    const auto segments = p.segments();
    update(std::span<const whisker::kernels::Segment<float>>(segments), context);
  };
}

void bench_optimizers(MemoryBench<Parameters>& cases, double array) {
  using P = Parameters;
  cases.bench("Adam", 7 * array, update_all([](auto segments, auto& context) {
                constexpr whisker::kernels::AdamStep kStep{.step_size = 2e-4 / (1.0 - 0.5),
                                                           .beta1 = 0.5,
                                                           .beta2 = 0.999,
                                                           .epsilon = 1e-8,
                                                           .inverse_sqrt_correction = 31.6227766};
                adam_update(segments, kStep, context);
              }),
              {&P::theta, &P::first, &P::second}, Writes::updates);
  cases.bench("SGD with momentum", 5 * array, update_all([](auto segments, auto& context) {
                constexpr whisker::kernels::SgdStep kStep{
                    .learning_rate = 1e-2, .momentum = 0.9, .nesterov = false};
                sgd_update(segments, kStep, context);
              }),
              {&P::theta, &P::first}, Writes::updates);
  cases.bench(
      "RMSprop", 5 * array, update_all([](auto segments, auto& context) {
        constexpr whisker::kernels::RmsPropStep kStep{
            .learning_rate = 1e-3, .decay = 0.9, .epsilon = 1e-8, .epsilon_inside_root = false};
        rmsprop_update(segments, kStep, context);
      }),
      {&P::theta, &P::first}, Writes::updates);
  cases.bench("average of weights", 3 * array, update_all([](auto segments, auto& context) {
                average_update(segments, 0.999, context);
              }),
              {&P::theta}, Writes::updates);
}

void bench_casts(MemoryBench<Parameters>& cases, double array) {
  using P = Parameters;
  cases.bench("cast to bfloat16", 1.5 * array,
              [](P& p, auto& context) {
                cast(p.g.kernel_data<float>(), p.half.kernel_mutable_data<whisker::bfloat16>(),
                     p.g.numel(), context);
              },
              {&P::half});
  cases.bench("cast to float32", 1.5 * array,
              [](P& p, auto& context) {
                cast(std::as_const(p.half).kernel_data<whisker::bfloat16>(),
                     p.theta.kernel_mutable_data<float>(), p.theta.numel(), context);
              },
              {&P::theta});
}

constexpr whisker::kernels::RandomFill kFill{.key = {1, 2}, .step = 3, .stream = 4};

void bench_random(MemoryBench<Parameters>& cases, double array) {
  using P = Parameters;
  const auto to = [](Tensor& t) { return t.kernel_mutable_data<float>(); };
  cases.bench("uniform random numbers", array,
              [=](P& p, auto& context) {
                random_uniform(to(p.theta), p.theta.numel(), -1.0F, 1.0F, kFill, context);
              },
              {&P::theta});
  cases.bench("normal random numbers", array,
              [=](P& p, auto& context) {
                random_normal(to(p.theta), p.theta.numel(), 0.0F, 1.0F, kFill, context);
              },
              {&P::theta});
  cases.bench("truncated normal random numbers", array,
              [=](P& p, auto& context) {
                random_truncated_normal(to(p.theta), p.theta.numel(), 0.0F, 1.0F, kFill, context);
              },
              {&P::theta});
}

}  // namespace

void bench_gpu_others(const GpuSetting& setting) {
  with_element_type(setting.options.dtype, [&](auto tag) {
    for (const Product& product : products(setting.options))
      if (setting.wants(product.name))
        bench_product<typename decltype(tag)::type>(product, setting);
  });
  // The article's nets have 41.5 million, nearly all of them between two layers.
  const std::int64_t divide = setting.options.divide_widths;
  const std::int64_t count = 41'500'000 / (divide * divide);
  const double array = 4.0 * static_cast<double>(count);
  MemoryBench<Parameters> cases(setting, GpuDtype::float32, [=] { return Parameters(count); });
  bench_optimizers(cases, array);
  bench_casts(cases, array);
  bench_random(cases, array);
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
