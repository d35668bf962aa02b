// What runs between the layers: batch norm, activations, biases, sums and resampling.
#ifdef WHISKER_CUDA
#include <algorithm>
#include <type_traits>
#include <utility>

#include <whisker/core/ops/cast.h>
#include <whisker/core/random.h>
#include <whisker/kernels/batch_norm.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cudnn/activation.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/batch_norm.h>
#include <whisker/kernels/resample2d.h>

#include "gpu_memory_bench.h"

namespace whisker_bench {
namespace {

using whisker::Tensor;
using whisker::kernels::LeakyRelu;
using whisker::kernels::Tanh;
namespace cuda = whisker::kernels::cuda;
namespace cudnn = whisker::kernels::cudnn;

constexpr std::int64_t kPictureChannels = 3;

/// [batch, side, side, channels].
struct ImageShape {
  std::int64_t batch = 0, side = 0, channels = 0;

  std::int64_t rows() const { return batch * side * side; }
  std::string to_string() const {
    return whisker::str("[", batch, ",", side, ",", side, ",", channels, "]");
  }
  whisker::kernels::BatchNormShape norm() const {
    return {.rows = rows(), .channels = channels, .epsilon = 1e-5, .slope = 0.2};
  }
  whisker::kernels::Resample2dShape halves(double scale) const {
    return {.batch = batch,
            .height = side / 2,
            .width = side / 2,
            .channels = channels,
            .scale = scale};
  }
  friend bool operator==(const ImageShape&, const ImageShape&) = default;
};

/// What goes into the article's layers or comes out of them, each shape once.
std::vector<ImageShape> image_shapes(const GpuOptions& options) {
  std::vector<ImageShape> shapes;
  const auto add = [&](std::int64_t side, std::int64_t channels) {
    const ImageShape shape{options.batch, side, channels};
    if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(shape);
  };
  for (const auto& [name, shape] :
       article_convolutions(options.batch, options.image_size, options.divide_widths)) {
    add(shape.in_h, shape.in_channels);
    add(shape.out_h(), shape.out_channels);
  }
  return shapes;
}

/// Far enough from 0 that no gamma * xhat + beta is near the bend of the leaky ReLU, where a
/// rounding decides between two derivatives; half of the channels lie on either side.
Tensor make_beta(std::int64_t channels) {
  std::vector<float> beta;
  for (std::int64_t c = 0; c < channels; ++c)
    beta.push_back((c % 2 == 0 ? 2.0F : -2.0F) + 0.1F * static_cast<float>(c % 7));
  return Tensor::from(beta, {channels});
}

/// The same numbers on every device: of T on a GPU; on the CPU in double, since its statistics in
/// float32 are no better than a GPU's.
struct Images {
  Images(const ImageShape& s, whisker::Dtype rounded)
      : on_cpu(whisker::default_device() == whisker::Device::cpu()),
        dtype(on_cpu ? whisker::Dtype::float64 : rounded),
        parameter_dtype(on_cpu ? whisker::Dtype::float64 : whisker::Dtype::float32) {
    const auto random = [&](const whisker::Shape& shape, std::uint64_t seed, float low = -1.0F) {
      return cast(cast(whisker::random_uniform(shape, low, low + 2.0F, {.seed = seed}), rounded),
                  dtype);
    };
    const whisker::Shape large{s.rows(), s.channels}, channels{s.channels};
    x = random(large, 1, -0.5F);  // a mean near 0 would have no exact digits in float32
    dy = random(large, 2);
    small = random({s.batch * (s.side / 2) * (s.side / 2), s.channels}, 3);
    bias = random(channels, 4);
    y = Tensor::empty(large, dtype);
    pooled = Tensor::empty(small.shape(), dtype);
    gamma = cast(whisker::random_uniform(channels, -1, 1, {.seed = 5}), parameter_dtype);
    beta = cast(make_beta(s.channels), parameter_dtype);
    mean = Tensor::empty(channels, parameter_dtype);
    variance = Tensor::empty(channels, parameter_dtype);
    dgamma = Tensor::empty(channels, parameter_dtype);
    dbeta = Tensor::empty(channels, parameter_dtype);
    row_sums = Tensor::empty({s.rows()}, parameter_dtype);
  }

  bool on_cpu;
  whisker::Dtype dtype, parameter_dtype;
  Tensor x, dy, small, bias, y, pooled;                         // of dtype
  Tensor gamma, beta, mean, variance, dgamma, dbeta, row_sums;  // of parameter_dtype
};

/// The tensors as kernels with elements E see them.
template <class E>
struct View {
  using Parameter = whisker::compute_type<E>;

  Images& images;

  const E* in(Tensor Images::*t) const { return std::as_const(images.*t).kernel_data<E>(); }
  E* out(Tensor Images::*t) const { return (images.*t).kernel_mutable_data<E>(); }
  const Parameter* of(Tensor Images::*t) const {
    return std::as_const(images.*t).kernel_data<Parameter>();
  }
  Parameter* to(Tensor Images::*t) const { return (images.*t).kernel_mutable_data<Parameter>(); }
};

/// What cuDNN does of bench_norm().
template <class T>
struct NormRivals {
  const ImageShape& shape;
  cuda::Context& context;

  static bool available() {
    if constexpr (cudnn::kWithCudnn) return cudnn::cudnn_available();
    return false;
  }

  Rival forward(Images& a) const {
    Tensor y = Tensor::empty(a.x.shape(), a.x.dtype()), saved = Tensor::empty({4, shape.channels});
    spoil(y);
    return {[this, &a, y, saved]() mutable { forward_to(a, y, saved); }, y};
  }
  /// The leaky ReLU is a pass of its own, whose derivative reads the sign of its result.
  Rival backward(Images& a) const {
    const auto make = [&] { return Tensor::empty(a.x.shape(), a.x.dtype()); };
    Tensor y = make(), dz = make(), dx = make(), saved = Tensor::empty({4, shape.channels});
    spoil(dx);
    forward_to(a, y, saved);
    return {[this, &a, y, dz, dx, saved]() mutable {
              if constexpr (cudnn::kWithCudnn) {
                const auto norm = shape.norm();
                float *mean = saved.kernel_mutable_data<float>(),
                      *dgamma = mean + 2 * shape.channels;
                cudnn::unary_backward(View<T>{a}.in(&Images::dy), std::as_const(y).kernel_data<T>(),
                                      dz.kernel_mutable_data<T>(), dz.numel(),
                                      LeakyRelu{norm.slope}, context);
                cudnn::batch_norm_backward_saved<T>(
                    View<T>{a}.in(&Images::x), View<T>{a}.of(&Images::gamma), mean,
                    mean + shape.channels, std::as_const(dz).kernel_data<T>(),
                    dx.kernel_mutable_data<T>(), dgamma, dgamma + shape.channels, norm, context);
              }
            },
            dx};
  }
  template <class Op>
  Rival unary(Images& a, Op op) const {
    Tensor y = Tensor::empty(a.x.shape(), a.x.dtype());
    spoil(y);
    return {[this, &a, op, y]() mutable {
              if constexpr (cudnn::kWithCudnn)
                cudnn::unary_forward(View<T>{a}.in(&Images::x), y.kernel_mutable_data<T>(),
                                     y.numel(), op, context);
            },
            y};
  }

 private:
  void forward_to(Images& a, Tensor& y, Tensor& saved) const {
    if constexpr (cudnn::kWithCudnn) {
      float* mean = saved.kernel_mutable_data<float>();
      cudnn::batch_norm_forward_training(View<T>{a}.in(&Images::x), View<T>{a}.of(&Images::gamma),
                                         View<T>{a}.of(&Images::beta), mean, mean + shape.channels,
                                         y.kernel_mutable_data<T>(), shape.norm(), context);
    }
  }
};

/// The cases on images of one shape.
template <class T>
class ImageBench {
  static auto statistics_of(const whisker::kernels::BatchNormShape& norm) {
    return [norm](auto a, auto& context) {
      batch_norm_statistics(a.in(&Images::x), a.to(&Images::mean), a.to(&Images::variance), norm,
                            context);
    };
  }

 public:
  ImageBench(const ImageShape& shape, const GpuSetting& setting)
      : shape_(shape),
        size_(shape.rows() * shape.channels),
        rivals_{shape_, setting.context},
        cases_(setting, setting.options.dtype, [shape] {
          Images images(shape, whisker::dtype_of<T>);
          whisker::with_context(images.x.device(), [&](auto& context) {
            run(statistics_of(shape.norm()), images, context);
          });
          return images;
        }) {}

  void bench_norm() {
    using A = Images;
    const auto norm = shape_.norm();
    const auto statistics = statistics_of(norm);
    const auto forward = [=](auto a, auto& context) {
      batch_norm_forward(a.in(&A::x), a.of(&A::gamma), a.of(&A::beta), a.of(&A::mean),
                         a.of(&A::variance), a.out(&A::y), norm, context);
    };
    add("batch norm statistics", 1, statistics, {&A::mean, &A::variance});
    add("batch norm forward", 2, forward, {&A::y});
    add(
        "batch norm forward in training", 3,
        [=](auto a, auto& context) {
          statistics(a, context);
          forward(a, context);
        },
        {&A::y, &A::mean, &A::variance}, [this](A& a) { return rivals_.forward(a); });
    add(
        "batch norm backward", 5,
        [=](auto a, auto& context) {
          batch_norm_backward(a.in(&A::x), a.of(&A::gamma), a.of(&A::beta), a.of(&A::mean),
                              a.of(&A::variance), a.in(&A::dy), a.out(&A::y), a.to(&A::dgamma),
                              a.to(&A::dbeta), norm, context);
        },
        {&A::y, &A::dgamma, &A::dbeta}, [this](A& a) { return rivals_.backward(a); });
  }

  template <class Op>
  void bench_activation(const std::string& name, Op op) {
    using A = Images;
    const std::int64_t n = size_;
    add(
        name, 2,
        [=](auto a, auto& context) { unary_forward(a.in(&A::x), a.out(&A::y), n, op, context); },
        {&A::y}, [this, op](A& a) { return rivals_.unary(a, op); });
    add(name + " backward", 3,
        [=](auto a, auto& context) {
          unary_backward(a.in(&A::dy), a.in(&A::x), a.out(&A::y), n, op, context);
        },
        {&A::y});
  }

  void bench_bias() {
    using A = Images;
    const auto rows = shape_.rows(), channels = shape_.channels;
    add("bias add", 2,
        [=](auto a, auto& context) {
          const whisker::kernels::BroadcastShape shape{
              .rank = 2, .dims = {rows, channels}, .a_strides = {channels, 1}, .b_strides = {0, 1}};
          binary_forward(a.in(&A::x), a.in(&A::bias), a.out(&A::y), shape, whisker::kernels::Add{},
                         context);
        },
        {&A::y});
    add("sum over pixels", 1,
        [=](auto a, auto& context) {
          reduce_sum(a.in(&A::x), a.to(&A::dbeta), {.outer = 1, .reduce = rows, .inner = channels},
                     context);
        },
        {&A::dbeta});
    add("sum over channels", 1 + sizeof(float) / (1.0 * sizeof(T) * channels),
        [=](auto a, auto& context) {
          reduce_sum(a.in(&A::x), a.to(&A::row_sums),
                     {.outer = rows, .reduce = channels, .inner = 1}, context);
        },
        {&A::row_sums});
  }

  void bench_loss() {
    using A = Images;
    const std::int64_t n = size_;
    add("sigmoid cross-entropy", 3,
        [=](auto a, auto& context) {
          const whisker::kernels::BroadcastShape shape{
              .rank = 1, .dims = {n}, .a_strides = {1}, .b_strides = {1}};
          binary_forward(a.in(&A::x), a.in(&A::dy), a.out(&A::y), shape,
                         whisker::kernels::SigmoidCrossEntropy{}, context);
        },
        {&A::y});
  }

  void bench_resampling() {
    if (shape_.side % 2 != 0) return;
    using A = Images;
    const auto halves = shape_.halves(1.0), quarters = shape_.halves(0.25);
    add("upsample2d", 1.25,
        [=](auto a, auto& context) { upsample2d(a.in(&A::small), a.out(&A::y), halves, context); },
        {&A::y});
    add("avg_pool2d", 1.25,
        [=](auto a, auto& context) {
          block_sum2d(a.in(&A::x), a.out(&A::pooled), quarters, context);
        },
        {&A::pooled});
  }

 private:
  /// In double where the context's kernels have it.
  template <class Kernel, class Context>
  static void run(const Kernel& kernel, Images& images, Context& context) {
    using E = std::conditional_t<whisker::serves<double, Context>, double, T>;
    kernel(View<E>{images}, context);
  }

  /// arrays: of x's size that must be moved at the least
  template <class Kernel>
  void add(const std::string& name, double arrays, const Kernel& kernel,
           const std::vector<Tensor Images::*>& results, std::function<Rival(Images&)> rival = {}) {
    if (!NormRivals<T>::available()) rival = {};
    const auto on_images = [&](Images& a, auto& context) { run(kernel, a, context); };
    cases_.bench(name + " " + shape_.to_string(), arrays * static_cast<double>(size_) * sizeof(T),
                 on_images, results, Writes::all, rival);
  }

  ImageShape shape_;
  std::int64_t size_;
  NormRivals<T> rivals_;
  MemoryBench<Images> cases_;
};

}  // namespace

void bench_gpu_images(const GpuSetting& setting) {
  with_element_type(setting.options.dtype, [&](auto tag) {
    for (const ImageShape& shape : image_shapes(setting.options)) {
      ImageBench<typename decltype(tag)::type> bench(shape, setting);
      if (shape.channels == kPictureChannels) {
        bench.bench_activation("tanh", Tanh{});
        bench.bench_loss();
      } else {
        bench.bench_norm();
        bench.bench_activation("leaky ReLU", LeakyRelu{0.2});
        bench.bench_bias();
        bench.bench_resampling();
      }
    }
  });
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
