// What cuDNN and cuBLAS are asked for, and, on a GPU that has them, whether they answer right.
#include <array>
#include <cmath>

#include <whisker/kernels/cuda/add_bias.h>
#include <whisker/kernels/cuda/conv2d_plan.h>
#include <whisker/kernels/cuda/matmul_choice.h>
#include <whisker/kernels/cudnn/activation.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/batch_norm.h>
#include <whisker/kernels/cudnn/conv2d.h>
#include <whisker/kernels/cudnn/conv2d_layout.h>
#include <whisker/kernels/cudnn/gemm_arguments.h>

#include "catch.h"
#include "conv2d_cases.h"
#include "kernel_test.h"
#include "reference/batch_norm.h"
#include "reference/conv2d.h"
#include "reference/matmul.h"

namespace whisker::testing {
namespace {

using namespace kernels::cudnn;
using kernels::Conv2dShape;
using kernels::MatmulShape;
using kernels::cuda::Context;

/// The flat index of element (n, c, h, w).
std::int64_t index_of(const TensorLayout& layout, std::array<std::int64_t, 4> nchw) {
  std::int64_t index = 0;
  for (std::size_t i = 0; i < 4; ++i)
    index += nchw[i] * layout.strides[i];
  return index;
}

/// The output's size by cuDNN's documentation of its convolution descriptor.
std::int64_t cudnn_size(const Conv2dLayout& layout, std::size_t axis) {
  const std::int64_t window = (layout.weight.extents[axis + 2] - 1) * layout.dilations[axis] + 1;
  return 1 + (layout.x.extents[axis + 2] + layout.pre_padding[axis] + layout.post_padding[axis] -
              window) /
                 layout.strides[axis];
}

}  // namespace

TEST_CASE("cuDNN's layout addresses [N, H, W, C] memory", "[cudnn]") {
  const TensorLayout layout = nhwc_layout(2, 3, 4, 5);
  CHECK(layout.extents == std::array<std::int64_t, 4>{2, 5, 3, 4});
  std::int64_t expected = 0;
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t h = 0; h < 3; ++h)
      for (std::int64_t w = 0; w < 4; ++w)
        for (std::int64_t c = 0; c < 5; ++c)
          CHECK(index_of(layout, {n, c, h, w}) == expected++);
}

TEST_CASE("cuDNN's convolution has our padding, strides and output size", "[cudnn]") {
  const Conv2dShape uneven =
      padded_shape(1, 9, 8, 2, 3, 4, 3, {.top = 0, .bottom = 1, .left = 2, .right = 3});
  const Conv2dLayout layout = conv2d_layout(uneven);
  CHECK(layout.pre_padding == std::array<std::int64_t, 2>{0, 2});
  CHECK(layout.post_padding == std::array<std::int64_t, 2>{1, 3});
  for (const auto* cases : {&small_cuda_convs(), &tiled_cuda_convs(), &picture_cuda_convs()})
    for (const CudaConvCase& c : *cases) {
      INFO(c.remark);
      const Conv2dLayout l = conv2d_layout(c.shape);
      CHECK(l.strides == std::array<std::int64_t, 2>{c.shape.stride_h, c.shape.stride_w});
      CHECK(cudnn_size(l, 0) == l.y.extents[2]);
      CHECK(cudnn_size(l, 1) == l.y.extents[3]);
      CHECK(l.weight.extents[1] == l.x.extents[1]);
      CHECK(l.weight.extents[0] == l.y.extents[1]);
    }
}

TEST_CASE("cuBLAS is asked for the transposed product", "[cudnn][matmul]") {
  constexpr std::int64_t kM = 3, kN = 4, kK = 5;
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true}) {
      const Array a =
          to_array(transpose_a ? Shape{kK, kM} : Shape{kM, kK}, random_values<float>(kM * kK, 1));
      const Array b =
          to_array(transpose_b ? Shape{kN, kK} : Shape{kK, kN}, random_values<float>(kK * kN, 2));
      const GemmArguments g = gemm_arguments({kM, kN, kK, transpose_a, transpose_b});
      const auto element = [](const Array& matrix, bool transpose, std::int64_t pitch,
                              std::int64_t row, std::int64_t column) {
        return transpose ? matrix[row * pitch + column] : matrix[column * pitch + row];
      };
      // A column-major product by its definition, with b in the first place.
      Array c({kM, kN});
      for (std::int64_t column = 0; column < g.columns; ++column)
        for (std::int64_t row = 0; row < g.rows; ++row)
          for (std::int64_t k = 0; k < g.k; ++k)
            c[column * g.result_pitch + row] +=
                element(b, g.transpose_first, g.first_pitch, row, k) *
                element(a, g.transpose_second, g.second_pitch, k, column);
      for (std::int64_t m = 0; m < kM; ++m)
        for (std::int64_t n = 0; n < kN; ++n) {
          double expected = 0.0;
          for (std::int64_t k = 0; k < kK; ++k)
            expected += (transpose_a ? a[k * kM + m] : a[m * kK + k]) *
                        (transpose_b ? b[n * kK + k] : b[k * kN + n]);
          CHECK(c[m * kN + n] == Approx(expected));
        }
    }
}

TEMPLATE_TEST_CASE("A bias is added to every row", "[cudnn][bias]", float, bfloat16) {
  for (const std::int64_t channels : {1, 3, 64, 300}) {
    const std::int64_t rows = 3001;  // more than a small grid holds at a time
    const auto y = random_values<TestType>(rows * channels, 1);
    const auto bias = random_values<float>(channels, 2);
    const DeviceSlice<float> device_bias(bias);
    const Results results = run_in_all_orders([&]() -> Results {
      const DeviceSlice<TestType> device_y(y);
      kernels::cuda::add_bias(device_bias.get(), device_y.get(), rows * channels, channels,
                              test_context_small());
      return {device_y.download()};
    });
    std::vector<double> expected = y;
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] += bias[i % bias.size()];
    INFO(channels << " channels");
    CHECK(mismatch(results[0], expected, kFloatRounding, kRounding<TestType>) == "");
  }
}

#ifdef WHISKER_CUDNN

namespace {

/// |actual - expected| / |expected| as vectors: what a wrong tap or channel cannot hide from.
double distance(const std::vector<double>& actual, const std::vector<double>& expected) {
  double difference = 0.0, size = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}

/// Every engine on all three passes.
template <class T>
void check_engines(const Conv2dShape& s, Context& context, double allowed) {
  using kernels::cuda::Conv2dPass;
  const Shape x_shape{s.batch, s.in_h, s.in_w, s.in_channels};
  const Shape w_shape{s.out_channels, s.kernel_h, s.kernel_w, s.in_channels};
  const Shape y_shape{s.batch, s.out_h(), s.out_w(), s.out_channels};
  const Array x = to_array(x_shape, random_values<T>(s.input_size(), 1));
  const Array w = to_array(w_shape, random_values<T>(s.weight_size(), 2));
  const Array dy = to_array(y_shape, random_values<T>(s.output_size(), 3));
  const Array y_bias = to_array({s.out_channels}, random_values<float>(s.out_channels, 4));
  const Array x_bias = to_array({s.in_channels}, random_values<float>(s.in_channels, 5));
  const DeviceSlice<T> x_device(x.values), dy_device(dy.values);
  const DeviceSlice<float> w_device(w.values), y_bias_device(y_bias.values),
      x_bias_device(x_bias.values);
  const kernels::Weight<float> weight{w_device.get()};
  const auto math = kernels::cuda::conv2d_facts<T>(context).math;
  const auto engines_of = [&](Conv2dPass pass) {
    return list_conv2d_engines({pass, s, math}, context);
  };

  const Array y = reference::add_bias(reference::conv2d_forward(x, w, s), y_bias);
  for (const Conv2dEngine& engine : engines_of(Conv2dPass::forward)) {
    INFO(s.to_string() << ", forward, " << engine.name);
    const DeviceSlice<T> result(static_cast<std::size_t>(s.output_size()));
    kernels::cudnn::conv2d_forward(x_device.get(), weight, y_bias_device.get(), result.get(), s,
                                   engine.name, context);
    CHECK(distance(result.download(), y.values) <= allowed);
  }
  const Array dx = reference::add_bias(reference::conv2d_backward_data(dy, w, s), x_bias);
  for (const Conv2dEngine& engine : engines_of(Conv2dPass::backward_data)) {
    INFO(s.to_string() << ", backward_data, " << engine.name);
    const DeviceSlice<T> result(static_cast<std::size_t>(s.input_size()));
    kernels::cudnn::conv2d_backward_data(dy_device.get(), weight, x_bias_device.get(), result.get(),
                                         s, engine.name, context);
    CHECK(distance(result.download(), dx.values) <= allowed);
  }
  const Array dw = reference::conv2d_backward_weight(x, dy, s);
  for (const Conv2dEngine& engine : engines_of(Conv2dPass::backward_weight)) {
    INFO(s.to_string() << ", backward_weight, " << engine.name);
    const DeviceSlice<float> result(static_cast<std::size_t>(s.weight_size()));
    kernels::cudnn::conv2d_backward_weight(x_device.get(), dy_device.get(), result.get(), s,
                                           engine.name, context);
    CHECK(distance(result.download(), dw.values) <= allowed);
  }
}

}  // namespace

TEST_CASE("Every engine of cuDNN equals the definition", "[cudnn][conv2d][cuda]") {
  if (!cudnn_available()) SKIP(describe_cudnn());
  const Conv2dShape shapes[] = {
      same_shape(2, 12, 10, 16, 24, 5, 5, 2, 2), same_shape(2, 9, 7, 32, 16, 5, 5, 1, 1),
      same_shape(2, 16, 14, 3, 16, 5, 5, 2, 2), padded_shape(1, 7, 8, 16, 24, 3, 2, {0, 2, 2, 1})};
  for (const Conv2dShape& shape : shapes) {
    CHECK(conv2d_supported({kernels::cuda::Conv2dPass::forward, shape, {}}, {}, test_context()));
    check_engines<float>(shape, test_context(), 2e-6);
    check_engines<float>(shape, test_context_tf32(), 1e-3);
    // A bfloat16 result is rounded by cuDNN, and once more with its bias.
    check_engines<bfloat16>(shape, test_context(), 4e-3);
  }
}

TEST_CASE("cuDNN says that it has no such engine", "[cudnn][conv2d][cuda]") {
  if (!cudnn_available()) SKIP(describe_cudnn());
  const Conv2dShape s = same_shape(1, 8, 8, 8, 8, 3, 3, 1, 1);
  const DeviceSlice<float> x(random_values<float>(s.input_size(), 1));
  const DeviceSlice<float> dweight(static_cast<std::size_t>(s.weight_size()));
  CHECK(!conv2d_supported({kernels::cuda::Conv2dPass::backward_weight, s, {}}, "eng-1",
                          test_context()));
  CHECK_THROWS_WITH(kernels::cudnn::conv2d_backward_weight(x.get(), x.get(), dweight.get(), s,
                                                           "eng-1", test_context()),
                    Catch::Contains("conv2d: cuDNN has no engine eng-1"));
}

TEMPLATE_TEST_CASE("cuBLAS equals the definition", "[cudnn][matmul][cuda]", float, bfloat16) {
  if (!cublas_available()) SKIP(describe_cublas());
  // Rows and slices that begin at no 16 bytes are what cuBLAS is chosen for.
  for (const auto& [m, n, k, offset] :
       {std::array<std::int64_t, 4>{40, 24, 56, 0}, {41, 23, 57, 1}})
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true}) {
        CAPTURE(m, n, k, offset, transpose_a, transpose_b);
        const Array a = to_array({m, k}, random_values<TestType>(m * k, 1));
        const Array b = to_array({k, n}, random_values<TestType>(k * n, 2));
        const auto skipped = static_cast<std::size_t>(offset);
        const DeviceSlice<TestType> a_device((transpose_a ? reference::transpose(a) : a).values,
                                             skipped);
        const DeviceSlice<TestType> b_device((transpose_b ? reference::transpose(b) : b).values,
                                             skipped);
        const DeviceSlice<TestType> c(static_cast<std::size_t>(m * n), skipped);
        kernels::cuda::matmul(kernels::cuda::Backend::library, a_device.get(), b_device.get(),
                              c.get(), {m, n, k, transpose_a, transpose_b}, test_context());
        CHECK(distance(c.download(), reference::matmul(a, b).values) <=
              (sizeof(TestType) == 2 ? 3e-3 : 1e-6));
      }
}

TEMPLATE_TEST_CASE("Activations of cuDNN equal ours", "[cudnn][elementwise][cuda]", float,
                   bfloat16) {
  if (!cudnn_available()) SKIP(describe_cudnn());
  const auto check_function = [](auto op, std::size_t offset) {
    using T = TestType;
    using Op = decltype(op);
    constexpr std::int64_t kSize = 12'297;
    CAPTURE(offset);
    const std::vector<double> values = random_values<T>(kSize, 1, -3.0, 3.0);
    const std::vector<double> gradient = random_values<T>(kSize, 2);
    const DeviceSlice<T> x(values, offset), dy(gradient, offset);
    const DeviceSlice<T> y(values.size(), offset), dx(values.size(), offset);
    kernels::cudnn::unary_forward(x.get(), y.get(), kSize, op, test_context());
    const DeviceSlice<T>& saved = Op::kSavesOutput ? y : x;
    kernels::cudnn::unary_backward(dy.get(), saved.get(), dx.get(), kSize, op, test_context());
    const std::vector<double> given = saved.download();
    std::vector<double> expected_y, expected_dx;
    for (std::size_t i = 0; i < values.size(); ++i) {
      expected_y.push_back(op(values[i]));
      expected_dx.push_back(op.gradient(gradient[i], given[i]));
    }
    const double rounding = sizeof(T) == 2 ? kRounding<T> : 0.0;
    const double few = 8.0 * kFloatRounding;
    CHECK(mismatch(y.download(), expected_y, few, few + rounding) == "");
    CHECK(mismatch(dx.download(), expected_dx, few, few + rounding) == "");
  };
  for (const std::size_t offset : {0, 1}) {
    check_function(kernels::LeakyRelu{0.2}, offset);
    check_function(kernels::LeakyRelu{0.0}, offset);
    check_function(kernels::Tanh{}, offset);
    check_function(kernels::Sigmoid{}, offset);
  }
}

TEMPLATE_TEST_CASE("Batch norm of cuDNN equals the definition", "[cudnn][batch_norm][cuda]", float,
                   bfloat16) {
  if (!cudnn_available()) SKIP(describe_cudnn());
  using T = TestType;
  constexpr std::int64_t kRows = 700, kChannels = 24;
  const double allowed = sizeof(T) == 2 ? 1e-2 : 1e-5;
  const Array x = to_array({kRows, kChannels}, random_values<T>(kRows * kChannels, 1, 0.0, 4.0));
  const Array dy = to_array({kRows, kChannels}, random_values<T>(kRows * kChannels, 2));
  const Array gamma = to_array({kChannels}, random_values<float>(kChannels, 3, 0.5, 1.5));
  // z, up to 2.6 from beta, has one sign in a channel, so that no rounding changes a gradient.
  Array beta({kChannels});
  for (std::int64_t c = 0; c < kChannels; ++c)
    beta[c] = c % 2 == 0 ? 4.0 : -4.0;
  const reference::Statistics s = reference::statistics_of(x);
  const DeviceSlice<T> x_device(x.values), dy_device(dy.values);
  const DeviceSlice<float> gamma_device(gamma.values), beta_device(beta.values),
      mean(s.mean.values), variance(s.variance.values);
  const auto size = x.values.size();
  for (const double slope : {1.0, 0.2}) {
    CAPTURE(slope);
    const reference::BatchNorm options{.epsilon = 1e-3, .slope = slope};
    const kernels::BatchNormShape shape{
        .rows = kRows, .channels = kChannels, .epsilon = 1e-3, .slope = slope};
    const Array y = reference::batch_norm_forward(x, gamma, beta, s, options);
    const auto g = reference::batch_norm_backward(x, gamma, beta, s, dy, true, options);
    const DeviceSlice<T> result(size), dx(size), dx_saved(size);
    const DeviceSlice<float> new_mean(kChannels), deviation(kChannels), dgamma(kChannels),
        dbeta(kChannels);
    kernels::cudnn::batch_norm_forward(x_device.get(), gamma_device.get(), beta_device.get(),
                                       mean.get(), variance.get(), result.get(), shape,
                                       test_context());
    CHECK(distance(result.download(), y.values) <= allowed);
    kernels::cudnn::batch_norm_forward_training(x_device.get(), gamma_device.get(),
                                                beta_device.get(), new_mean.get(), deviation.get(),
                                                result.get(), shape, test_context());
    CHECK(distance(result.download(), y.values) <= allowed);
    CHECK(distance(new_mean.download(), s.mean.values) <= 1e-5);
    std::vector<double> expected_deviation = s.variance.values;
    for (double& v : expected_deviation)
      v = 1.0 / std::sqrt(v + options.epsilon);
    CHECK(distance(deviation.download(), expected_deviation) <= 1e-5);
    kernels::cudnn::batch_norm_backward(x_device.get(), gamma_device.get(), beta_device.get(),
                                        mean.get(), variance.get(), dy_device.get(), dx.get(),
                                        dgamma.get(), dbeta.get(), shape, test_context());
    CHECK(distance(dx.download(), g.dx.values) <= allowed);
    CHECK(distance(dgamma.download(), g.dgamma.values) <= allowed);
    CHECK(distance(dbeta.download(), g.dbeta.values) <= allowed);
    if (slope != 1.0) continue;
    kernels::cudnn::batch_norm_backward_saved(x_device.get(), gamma_device.get(), new_mean.get(),
                                              deviation.get(), dy_device.get(), dx_saved.get(),
                                              dgamma.get(), dbeta.get(), shape, test_context());
    CHECK(distance(dx_saved.download(), g.dx.values) <= allowed);
  }
}

#endif  // WHISKER_CUDNN

}  // namespace whisker::testing
