#include "reference/elementwise.h"

#include <algorithm>
#include <cmath>

#include <whisker/kernels/cuda/copy_parts.h>
#include <whisker/kernels/cuda/elementwise.h>

#include "catch.h"
#include "kernel_test.h"
#include "reference/broadcast.h"

using namespace whisker;
using namespace whisker::testing;
using kernels::BroadcastShape;

namespace {

const reference::Elementwise& definition(const std::string& name) {
  for (const reference::Elementwise& entry : reference::kElementwise)
    if (name == entry.name) return entry;
  if (name == reference::kSeluDerivative.name) return reference::kSeluDerivative;
  throw Error("no definition of " + name);
}

/// Whole vectors, tails, one element, more than a small grid holds at a time, none; then
/// misaligned.
struct Size {
  std::int64_t n;
  std::size_t offset;
};
constexpr Size kSizes[] = {{0, 0}, {1, 0}, {7, 0}, {8, 0}, {1029, 0}, {70'003, 0}, {1029, 1}};

template <class T>
double error_of(double value) {
  // GPU math libraries are within 2 units in the last place of float (CUDA C++ Programming Guide,
  // mathematical functions), a few operations of which make 8; then the result is rounded to T.
  return 8.0 * kFloatRounding * std::max(std::abs(value), 0.25) +
         (sizeof(T) == 2 ? kRounding<T> * std::abs(value) : 0.0);
}

template <class T, class Op>
void check_unary(const char* name, Op op, double low, double high) {
  const reference::Elementwise& expected = definition(name);
  for (const Size size : kSizes) {
    CAPTURE(name, size.n, size.offset, sizeof(T));
    const auto x = random_values<T>(size.n, 1, low, high), dy = random_values<T>(size.n, 2);
    const auto count = static_cast<std::size_t>(size.n);
    std::vector<double> y(count), dx(count), saved(count);
    for (std::size_t i = 0; i < count; ++i) {
      y[i] = expected.value(x[i]);
      saved[i] = Op::kSavesOutput ? y[i] : x[i];
      dx[i] = dy[i] * expected.derivative(x[i]);
    }
    const DeviceSlice<T> device_x(x, size.offset), device_dy(dy, size.offset);
    const DeviceSlice<T> device_saved(saved, size.offset);
    const Results results = run_in_all_orders([&]() -> Results {
      const DeviceSlice<T> device_y(count, size.offset), device_dx(count, size.offset);
      kernels::cuda::unary_forward(device_x.get(), device_y.get(), size.n, op,
                                   test_context_small());
      kernels::cuda::unary_backward(device_dy.get(), device_saved.get(), device_dx.get(), size.n,
                                    op, test_context_small());
      return {device_y.download(), device_dx.download()};
    });
    CHECK(mismatch_beyond(results[0], y, [&](std::size_t i) { return error_of<T>(y[i]); }) == "");
    // A saved output in bfloat16 has been rounded, and the derivative is up to 2 times as steep.
    const double saved_error = Op::kSavesOutput ? 2.0 * kRounding<T> : 0.0;
    CHECK(mismatch_beyond(results[1], dx, [&](std::size_t i) {
            return error_of<T>(dx[i]) + saved_error * std::abs(dy[i]) *
                                            std::max(std::abs(saved[i]), 1.0) *
                                            std::max(std::abs(saved[i]), 1.0);
          }) == "");
  }
}

template <class T>
void check_all_unary() {
  check_unary<T>("leaky_relu", kernels::LeakyRelu{0.2}, -2.0, 2.0);
  check_unary<T>("relu", kernels::LeakyRelu{0.0}, -2.0, 2.0);
  check_unary<T>("tanh", kernels::Tanh{}, -3.0, 3.0);
  check_unary<T>("sigmoid", kernels::Sigmoid{}, -6.0, 6.0);
  check_unary<T>("selu", kernels::Selu{}, -3.0, 3.0);
  check_unary<T>("selu_derivative", kernels::SeluDerivative{}, -3.0, 3.0);
  check_unary<T>("exp", kernels::Exp{}, -3.0, 2.0);
  check_unary<T>("log", kernels::Log{}, 0.5, 4.0);
  check_unary<T>("sqrt", kernels::Sqrt{}, 0.5, 4.0);
  check_unary<T>("square", kernels::Square{}, -2.0, 2.0);
  check_unary<T>("abs", kernels::Abs{}, -2.0, 2.0);
  check_unary<T>("affine", kernels::Affine{-1.5, 0.25}, -2.0, 2.0);
}

}  // namespace

TEST_CASE("Unary kernels compute the functions and their derivatives", "[cuda][elementwise]") {
  check_all_unary<float>();
  check_all_unary<bfloat16>();
}

TEST_CASE("Rounding to bfloat16 in vectors is that of single elements", "[cuda][elementwise]") {
  // Ties, subnormal, huge and special numbers; index 8 and beyond fall into the tail.
  const std::vector<float> values{1.00390625f, 1.01171875f, -1.00390625f, 1e-40f,
                                  3.4e38f,     INFINITY,    -INFINITY,    -0.0f};
  std::vector<float> x = values;
  x.insert(x.end(), values.begin(), values.end() - 5);
  const DeviceArray<float> device_x(x);
  const DeviceArray<bfloat16> device_y(x.size());
  kernels::cuda::cast(device_x.get(), device_y.get(), static_cast<std::int64_t>(x.size()),
                      test_context());
  const std::vector<bfloat16> y = device_y.download();
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(i, x[i]);
    CHECK(y[i] == bfloat16(x[i]));
  }
}

namespace {

template <class From, class To>
void check_cast() {
  for (const Size size : kSizes) {
    CAPTURE(size.n, size.offset, sizeof(From), sizeof(To));
    std::vector<double> x = random_values<float>(size.n, 3, 0.0, 255.0);
    x = to_doubles(from_doubles<From>(x));
    const DeviceSlice<From> device_x(x, size.offset);
    const Results y = run_in_all_orders([&]() -> Results {
      const DeviceSlice<To> device_y(x.size(), size.offset);
      kernels::cuda::cast(device_x.get(), device_y.get(), size.n, test_context());
      return {device_y.download()};
    });
    CHECK(mismatch(y[0], to_doubles(from_doubles<To>(x)), 0.0, 0.0) == "");
  }
}

template <class To>
void check_casts_to() {
  check_cast<float, To>();
  check_cast<bfloat16, To>();
  check_cast<std::uint8_t, To>();
  check_cast<std::int32_t, To>();
}

template <class T>
void check_fill(T value) {
  for (const Size size : kSizes) {
    CAPTURE(size.n, size.offset, sizeof(T));
    const auto count = static_cast<std::size_t>(size.n);
    const Results y = run_in_all_orders([&]() -> Results {
      const DeviceSlice<T> device_y(count, size.offset);
      kernels::cuda::fill(value, device_y.get(), size.n, test_context());
      return {device_y.download()};
    });
    const auto expected = static_cast<double>(static_cast<compute_type<T>>(value));
    CHECK(mismatch(y[0], std::vector<double>(count, expected), 0.0, 0.0) == "");
  }
}

template <class T>
void check_accumulate() {
  for (const Size size : kSizes) {
    CAPTURE(size.n, size.offset, sizeof(T));
    const auto term = random_values<T>(size.n, 4), start = random_values<T>(size.n, 5);
    std::vector<double> expected = start;
    for (std::size_t i = 0; i < term.size(); ++i)
      expected[i] += term[i];
    const DeviceSlice<T> device_term(term, size.offset);
    const Results sum = run_in_all_orders([&]() -> Results {
      const DeviceSlice<T> device_sum(start, size.offset);
      kernels::cuda::accumulate(device_term.get(), device_sum.get(), size.n, test_context());
      return {device_sum.download()};
    });
    CHECK(mismatch(sum[0], to_doubles(from_doubles<T>(expected)), 0.0, 0.0) == "");
  }
}

}  // namespace

TEST_CASE("Casts round to the nearest element", "[cuda][elementwise]") {
  check_casts_to<float>();
  check_casts_to<bfloat16>();
}

TEST_CASE("Fills write every element of every type", "[cuda][elementwise]") {
  check_fill(1.5f);
  check_fill(bfloat16(-2.5f));
  check_fill(std::int32_t{16'777'217});  // no float
  check_fill(std::uint8_t{200});
}

TEST_CASE("Accumulating adds in place, rounded once", "[cuda][elementwise]") {
  check_accumulate<float>();
  check_accumulate<bfloat16>();
}

TEST_CASE("Rows at a stride are copied in the widest words that fit", "[cuda][elementwise]") {
  struct Case {
    std::int64_t rows, row_bytes, x_stride, y_stride;
    std::size_t x_offset, y_offset;
  };
  const Case cases[] = {{3, 64, 96, 128, 0, 16}, {5, 12, 20, 12, 4, 8},   {7, 6, 10, 14, 2, 6},
                        {4, 5, 9, 7, 1, 3},      {1, 70'001, 0, 0, 0, 0}, {3000, 16, 16, 32, 0, 0},
                        {3, 64, 96, 128, 4, 0},  {0, 8, 8, 8, 0, 0},      {3, 0, 8, 8, 0, 0}};
  for (const Case& c : cases) {
    CAPTURE(c.rows, c.row_bytes, c.x_stride, c.y_stride);
    const auto extent = [&](std::int64_t stride, std::size_t offset) {
      const std::int64_t last = std::max<std::int64_t>(c.rows - 1, 0);
      return static_cast<std::size_t>(last * stride + c.row_bytes) + offset;
    };
    std::vector<std::uint8_t> x(extent(c.x_stride, c.x_offset));
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    const std::vector<std::uint8_t> before(extent(c.y_stride, c.y_offset), 0xEE);
    std::vector<std::uint8_t> expected = before;
    const DeviceArray<std::uint8_t> device_x(x);
    for (std::int64_t row = 0; row < c.rows; ++row)
      for (std::int64_t i = 0; i < c.row_bytes; ++i)
        expected[static_cast<std::size_t>(row * c.y_stride + i) + c.y_offset] =
            x[static_cast<std::size_t>(row * c.x_stride + i) + c.x_offset];
    const Results y = run_in_all_orders([&]() -> Results {
      const DeviceArray<std::uint8_t> device_y(before);
      kernels::cuda::copy_rows(device_x.get() + c.x_offset, device_y.get() + c.y_offset,
                               {.rows = c.rows,
                                .row_bytes = c.row_bytes,
                                .x_stride = c.x_stride,
                                .y_stride = c.y_stride},
                               test_context_small());
      return {to_doubles(device_y.download())};
    });
    CHECK(mismatch(y[0], to_doubles(expected), 0.0, 0.0) == "");
  }
}

TEST_CASE("Parts of a large copy make up the whole", "[cuda][elementwise]") {
  // Bytes that a launch may copy: some of a row, a row and some, all.
  for (const std::int64_t most : {3, 10, 25, 1000})
    for (const kernels::CopyShape& shape :
         {kernels::CopyShape{.rows = 7, .row_bytes = 10, .x_stride = 12, .y_stride = 11},
          kernels::CopyShape{.rows = 1, .row_bytes = 31, .x_stride = 0, .y_stride = 0},
          kernels::CopyShape{.rows = 0, .row_bytes = 10, .x_stride = 10, .y_stride = 10},
          kernels::CopyShape{.rows = 7, .row_bytes = 0, .x_stride = 1, .y_stride = 2}}) {
      CAPTURE(most, shape.rows, shape.row_bytes);
      std::vector<std::pair<std::int64_t, std::int64_t>> moved, expected;  // places in y and in x
      for (std::int64_t row = 0; row < shape.rows; ++row)
        for (std::int64_t i = 0; i < shape.row_bytes; ++i)
          expected.emplace_back(row * shape.y_stride + i, row * shape.x_stride + i);
      kernels::cuda::for_each_copy_part(
          shape, most, [&](std::int64_t at_x, std::int64_t at_y, const kernels::CopyShape& part) {
            CHECK(part.rows * part.row_bytes <= most);
            for (std::int64_t row = 0; row < part.rows; ++row)
              for (std::int64_t i = 0; i < part.row_bytes; ++i)
                moved.emplace_back(at_y + row * part.y_stride + i, at_x + row * part.x_stride + i);
          });
      std::sort(moved.begin(), moved.end());
      CHECK(moved == expected);
    }
}
