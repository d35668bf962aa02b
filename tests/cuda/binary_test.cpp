#include <cmath>

#include <whisker/kernels/cuda/elementwise.h>

#include "catch.h"
#include "kernel_test.h"
#include "reference/broadcast.h"
#include "reference/elementwise.h"

using namespace whisker;
using namespace whisker::testing;
using kernels::BroadcastShape;

namespace {

/// Strides of `shape` in a walk over `out`, without merging axes; the innermost axis is not 1.
BroadcastShape walk_over(const Shape& a, const Shape& b, const Shape& out) {
  BroadcastShape walk;
  walk.rank = std::max(out.rank(), 1);
  walk.dims[0] = 1;
  std::int64_t a_stride = 1, b_stride = 1;
  for (int i = 1; i <= out.rank(); ++i) {
    const auto at = static_cast<std::size_t>(out.rank() - i);
    walk.dims[at] = out[-i];
    if (i <= a.rank()) {
      walk.a_strides[at] = a[-i] == 1 ? 0 : a_stride;
      a_stride *= a[-i];
    }
    if (i <= b.rank()) {
      walk.b_strides[at] = b[-i] == 1 ? 0 : b_stride;
      b_stride *= b[-i];
    }
  }
  return walk;
}

struct Case {
  Shape a, b;
  std::size_t offset;  // of a, b and c, in elements
};

const Case kCases[] = {
    {{2}, {2}, 0},
    {{1029}, {1029}, 0},
    {{1029}, {1029}, 1},
    {{640}, {1}, 0},  // a scalar
    {{1}, {641}, 0},
    {{37, 24}, {24}, 0},  // per channel, in vectors
    {{37, 24}, {24}, 1},  // misaligned
    {{37, 3}, {3}, 0},    // per channel, too few for vectors
    {{24}, {37, 24}, 0},
    {{37, 24}, {37, 1}, 0},  // per row
    {{5, 1, 16}, {1, 7, 16}, 0},
    {{2, 3, 1, 2, 1, 8}, {2, 1, 4, 1, 3, 8}, 0},
    {{300, 400}, {400}, 0},  // more than a small grid holds at a time
    {{0, 8}, {8}, 0},
};

template <class T, class Op>
void check_binary(const char* name, Op op, double (*definition)(double, double)) {
  for (const Case& c : kCases) {
    CAPTURE(name, c.a, c.b, c.offset, sizeof(T));
    // Divisors keep away from zero.
    const Array a = to_array(c.a, random_values<T>(c.a.numel(), 1, -3.0, 3.0));
    const Array b = to_array(c.b, random_values<T>(c.b.numel(), 2, 0.25, 1.0));
    const Array expected = reference::map(a, b, definition);
    const DeviceSlice<T> device_a(a.values, c.offset), device_b(b.values, c.offset);
    const Results results = run_in_all_orders([&]() -> Results {
      const DeviceSlice<T> device_c(expected.values.size(), c.offset);
      kernels::cuda::binary_forward(device_a.get(), device_b.get(), device_c.get(),
                                    walk_over(c.a, c.b, expected.shape), op, test_context_small());
      return {device_c.download()};
    });
    // One operation rounded to float, or eight for the cross entropy's; then to T.
    const double relative = 8.0 * kFloatRounding + (sizeof(T) == 2 ? kRounding<T> : 0.0);
    CHECK(mismatch(results[0], expected.values, 4.0 * kFloatRounding, relative) == "");
  }
}

template <class T>
void check_all_binary() {
  check_binary<T>("add", kernels::Add{}, [](double x, double y) { return x + y; });
  check_binary<T>("sub", kernels::Subtract{}, [](double x, double y) { return x - y; });
  check_binary<T>("mul", kernels::Multiply{}, [](double x, double y) { return x * y; });
  check_binary<T>("div", kernels::Divide{}, [](double x, double y) { return x / y; });
  check_binary<T>("cross entropy", kernels::SigmoidCrossEntropy{},
                  reference::sigmoid_cross_entropy);
}

}  // namespace

TEST_CASE("Binary kernels broadcast as NumPy does", "[cuda][elementwise]") {
  check_all_binary<float>();
  check_all_binary<bfloat16>();
}

TEST_CASE("Binary kernels walk rows at any stride", "[cuda][elementwise]") {
  // Rows of 8 out of rows of 9: a vector would begin at odd places.
  constexpr std::int64_t kRows = 37, kColumns = 8, kStride = 9;
  const auto a = random_values<float>(kRows * kStride, 1);
  const auto b = random_values<float>(kRows * kColumns, 2);
  const DeviceSlice<float> device_a(a), device_b(b), c(b.size());
  const BroadcastShape shape{
      .rank = 2, .dims = {kRows, kColumns}, .a_strides = {kStride, 1}, .b_strides = {kColumns, 1}};
  kernels::cuda::binary_forward(device_a.get(), device_b.get(), c.get(), shape, kernels::Add{},
                                test_context());
  std::vector<double> expected = b;
  for (std::int64_t i = 0; i < kRows * kColumns; ++i)
    expected[static_cast<std::size_t>(i)] +=
        a[static_cast<std::size_t>(i / kColumns * kStride + i % kColumns)];
  CHECK(mismatch(c.download(), expected, 0.0, kFloatRounding) == "");
}

TEST_CASE("The cross entropy of huge logits does not overflow", "[cuda][elementwise]") {
  const DeviceSlice<float> logits({-1000.0, -100.0, 0.0, 100.0, 1000.0});
  const DeviceSlice<float> labels({0.9, 0.0, 0.5, 1.0, 0.1}), loss(5);
  const BroadcastShape shape{.rank = 1, .dims = {5}, .a_strides = {1}, .b_strides = {1}};
  kernels::cuda::binary_forward(logits.get(), labels.get(), loss.get(), shape,
                                kernels::SigmoidCrossEntropy{}, test_context());
  // At 0 it is log 2; labels are rounded to float.
  CHECK(mismatch(loss.download(), {900.0, 0.0, std::log(2.0), 0.0, 900.0}, 1e-7, 1e-6) == "");
}
