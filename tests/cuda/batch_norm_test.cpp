#include "reference/batch_norm.h"

#include <algorithm>
#include <cmath>

#include <whisker/kernels/batch_norm.h>

#include "catch.h"
#include "kernel_test.h"

using namespace whisker;
using namespace whisker::testing;
using kernels::BatchNormShape;

namespace {

struct Case {
  std::int64_t rows, channels;
  std::size_t offset;  // of x, y, dy and dx, in elements
};

const Case kCases[] = {
    {1, 1, 0},       {1, 8, 0},     // one row: variance 0
    {1000, 1, 0},                   // one channel
    {4099, 3, 0},    {4099, 3, 1},  // folded, the last row ends early
    {4098, 3, 0},                   // by another place in a vector
    {700, 64, 0},    {700, 64, 1},  // more rows than one block
    {20'000, 16, 0},                // more parts than one block merges at a time
    {33, 100, 0},    {33, 257, 0},  // several tiles with a tail, misaligned rows
    {5, 1000, 0},    {2, 5000, 0},  // few rows, many channels
    {129, 24, 0},
};

/// Inputs of one case, all representable in the types that the kernel reads.
struct Inputs {
  Array x, gamma, beta, dy;
  reference::BatchNorm options;

  template <class T>
  static Inputs make(const Case& c, double slope, double mean = 0.0) {
    const Shape shape{c.rows, c.channels};
    const auto n = c.rows * c.channels;
    Inputs in{to_array(shape, random_values<T>(n, 1, mean - 2.0, mean + 2.0)),
              to_array({c.channels}, random_values<float>(c.channels, 2, 0.5, 1.5)),
              to_array({c.channels}, random_values<float>(c.channels, 3)),
              to_array(shape, random_values<T>(n, 4)),
              {.epsilon = 1e-3, .slope = slope}};
    return in;
  }
};

template <class T>
Results run_kernels(const Inputs& in, const Case& c,
                    kernels::cuda::Context& context = test_context()) {
  const DeviceSlice<T> x(in.x.values, c.offset), dy(in.dy.values, c.offset);
  const DeviceSlice<float> gamma(in.gamma.values), beta(in.beta.values);
  const BatchNormShape shape{.rows = c.rows,
                             .channels = c.channels,
                             .epsilon = in.options.epsilon,
                             .slope = in.options.slope};
  return run_in_all_orders([&]() -> Results {
    const auto channels = static_cast<std::size_t>(c.channels);
    const DeviceSlice<float> mean(channels), variance(channels), dgamma(channels), dbeta(channels);
    const DeviceSlice<T> y(in.x.values.size(), c.offset), dx(in.x.values.size(), c.offset);
    kernels::cuda::batch_norm_statistics(x.get(), mean.get(), variance.get(), shape, context);
    kernels::cuda::batch_norm_forward(x.get(), gamma.get(), beta.get(), mean.get(), variance.get(),
                                      y.get(), shape, context);
    kernels::cuda::batch_norm_backward(x.get(), gamma.get(), beta.get(), mean.get(), variance.get(),
                                       dy.get(), dx.get(), dgamma.get(), dbeta.get(), shape,
                                       context);
    return {mean.download(), variance.download(), y.download(),
            dx.download(),   dgamma.download(),   dbeta.download()};
  });
}

/// Elements whose activation the kernel may take for the other side, z being zero up to rounding:
/// the definition's gradients with either choice are right there, so these get a dy of zero.
template <class T>
void avoid_the_kink(Inputs& in) {
  const reference::Statistics s = reference::statistics_of(in.x);
  for (std::int64_t i = 0; i < in.x.shape.numel(); ++i) {
    const std::int64_t c = i % in.x.shape[-1];
    const double xhat = (in.x[i] - s.mean[c]) / std::sqrt(s.variance[c] + in.options.epsilon);
    if (std::abs(in.gamma[c] * xhat + in.beta[c]) < 1e-4) in.dy[i] = 0.0;
  }
}

template <class T>
void check_batch_norm(const Case& c, double slope) {
  CAPTURE(c.rows, c.channels, c.offset, slope, sizeof(T));
  Inputs in = Inputs::make<T>(c, slope);
  avoid_the_kink<T>(in);
  const reference::Statistics s = reference::statistics_of(in.x);
  const Array y = reference::batch_norm_forward(in.x, in.gamma, in.beta, s, in.options);
  const auto g =
      reference::batch_norm_backward(in.x, in.gamma, in.beta, s, in.dy, true, in.options);
  const Results results = run_kernels<T>(in, c);
  // Every thread meets about 64 rows, whose rounding errors add up to some 8 of one; merging lanes,
  // folds and parts doubles that.
  const double sums = 16.0 * kFloatRounding;
  CHECK(mismatch(results[0], s.mean.values, 2.0 * sums, 0.0) == "");
  CHECK(mismatch(results[1], s.variance.values, sums, sums) == "");
  // Few rows may lie close together, and epsilon 1e-3 lets 1 / sqrt(variance) grow to 32; y and dx
  // have a few operations more.
  const double scale = c.rows < 8 ? 48.0 : 4.0;
  const double rounding = sizeof(T) == 2 ? kRounding<T> : 0.0;
  CHECK(mismatch(results[2], y.values, 2.0 * sums * scale, 8.0 * kFloatRounding + rounding) == "");
  CHECK(mismatch(results[3], g.dx.values, 2.0 * sums * scale, 16.0 * kFloatRounding + rounding) ==
        "");
  // Sums of `rows` terms of size 1 that go either way.
  const double terms = scale * std::sqrt(static_cast<double>(c.rows));
  CHECK(mismatch(results[4], g.dgamma.values, sums * terms, sums) == "");
  CHECK(mismatch(results[5], g.dbeta.values, sums * terms, sums) == "");
}

}  // namespace

TEST_CASE("Batch normalisation and its gradients follow the definition", "[cuda][batch_norm]") {
  for (const Case& c : kCases) {
    check_batch_norm<float>(c, 0.2);
    check_batch_norm<bfloat16>(c, 0.2);
  }
  check_batch_norm<float>({700, 64, 0}, 1.0);  // no activation
  check_batch_norm<float>({700, 64, 0}, 0.0);  // ReLU
}

TEST_CASE("A mean far larger than the deviation costs no digits", "[cuda][batch_norm]") {
  for (const Case c : {Case{3000, 3, 0}, Case{3000, 64, 0}}) {
    CAPTURE(c.channels);
    const Inputs in = Inputs::make<float>(c, 1.0, 10'000.0);
    const reference::Statistics s = reference::statistics_of(in.x);
    const Results results = run_kernels<float>(in, c);
    // The mean is a float near 10000; E[x^2] - E[x]^2 would be wrong by several units here.
    CHECK(mismatch(results[0], s.mean.values, 0.0, 2.0 * kFloatRounding) == "");
    CHECK(mismatch(results[1], s.variance.values, 0.0, 16.0 * kFloatRounding) == "");
    // And scale * x + shift by 0.001, even with the statistics as they were rounded.
    const Array y = reference::batch_norm_forward(
        in.x, in.gamma, in.beta,
        {to_array({c.channels}, results[0]), to_array({c.channels}, results[1])}, in.options);
    CHECK(mismatch(results[2], y.values, 8.0 * kFloatRounding, 8.0 * kFloatRounding) == "");
  }
}

TEST_CASE("Batch normalisation does not depend on the size of the device", "[cuda][batch_norm]") {
  for (const Case& c : {Case{4099, 3, 0}, Case{3000, 64, 0}}) {
    CAPTURE(c.channels);
    const Inputs in = Inputs::make<float>(c, 0.2);
    kernels::cuda::Context large = test_context();
    large.sm_count = 1000;
    CHECK((run_kernels<float>(in, c, test_context_small()) == run_kernels<float>(in, c, large)));
  }
}

TEST_CASE("Batch normalisation of no rows has gradients of zero", "[cuda][batch_norm]") {
  const BatchNormShape shape{.rows = 0, .channels = 5};
  const DeviceSlice<float> empty(0), ones({1, 1, 1, 1, 1}), a(5), b(5), c(5), d(5);
  kernels::cuda::batch_norm_statistics(empty.get(), a.get(), b.get(), shape, test_context());
  kernels::cuda::batch_norm_forward(empty.get(), ones.get(), ones.get(), a.get(), b.get(),
                                    empty.get(), shape, test_context());
  kernels::cuda::batch_norm_backward(empty.get(), ones.get(), ones.get(), a.get(), b.get(),
                                     empty.get(), empty.get(), c.get(), d.get(), shape,
                                     test_context());
  for (const auto* result : {&a, &b, &c, &d})
    CHECK(mismatch(result->download(), std::vector<double>(5, 0.0), 0.0, 0.0) == "");
}
