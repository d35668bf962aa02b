#include <cmath>
#include <limits>
#include <string>

#include <whisker/core/ops.h>

#include "catch.h"
#include "reference/broadcast.h"
#include "reference/elementwise.h"
#include "testing.h"

namespace whisker::testing {
namespace {

Tensor run_unary(const std::string& name, const Tensor& x) {
  if (name == "leaky_relu") return leaky_relu(x, 0.2);
  if (name == "relu") return relu(x);
  if (name == "tanh") return tanh(x);
  if (name == "sigmoid") return sigmoid(x);
  if (name == "selu") return selu(x);
  if (name == "exp") return exp(x);
  if (name == "log") return log(x);
  if (name == "sqrt") return sqrt(x);
  if (name == "square") return square(x);
  if (name == "abs") return abs(x);
  REQUIRE(name == "affine");
  return affine(x, -1.5, 0.25);
}

Tensor argument(const std::string& name, const Shape& shape, Dtype dtype) {
  // log and sqrt want positive numbers; the gradient of sqrt explodes at zero.
  const bool positive = name == "log" || name == "sqrt";
  return random_tensor(shape, dtype, 1, positive ? 0.1f : -3.0f, 3.0f);
}

// Around the SIMD width and the number of elements that one thread takes at a time.
const Shape kShapes[] = {{}, {1}, {0, 3}, {7}, {2, 3, 4, 5}, {16384}, {2, 8193}};

}  // namespace

TEST_CASE("elementwise functions and their gradients equal their definitions", "[unary]") {
  for (const reference::Elementwise& f : reference::kElementwise)
    for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16})
      for (const Shape& shape : kShapes) {
        INFO(f.name << " " << dtype << " " << shape);
        const Tolerance tolerance = elementwise_tolerance(dtype);
        // The result that tanh, sigmoid, exp and sqrt keep for backward is a bfloat16: where
        // 1 - y^2 cancels, its rounding is an absolute error of 2^-8.
        const Tolerance gradient = dtype == Dtype::bfloat16 ? Tolerance{0x1p-7, 1.6e-2} : tolerance;
        check_op([&](const Tensors& in) { return run_unary(f.name, in[0]); },
                 {argument(f.name, shape, dtype)},
                 [&](const std::vector<Array>& in, const Array& dy) {
                   return std::vector<Array>{
                       reference::map(in[0], f.value),
                       reference::map(dy, reference::map(in[0], f.derivative),
                                      [](double a, double b) { return a * b; })};
                 },
                 tolerance, gradient);
      }
}

TEST_CASE("elementwise backward is the derivative of forward, twice", "[unary][gradcheck]") {
  for (const reference::Elementwise& f : reference::kElementwise) {
    INFO(f.name);
    const Function op = [&](const Tensors& in) { return run_unary(f.name, in[0]); };
    const Tensors in{argument(f.name, {3, 7}, Dtype::float64)};
    CHECK(gradcheck(op, in) == "");
    CHECK(gradgradcheck(op, in) == "");
    CHECK(gradgradcheck([&](const Tensors& x) { return square(op(x)); }, in) == "");
  }
}

TEST_CASE("the derivative at a kink is the one of the negative side", "[unary]") {
  const auto slope_at_zero = [](const std::string& name, double zero) {
    Tensor x = Tensor::full({1}, zero).set_requires_grad();
    run_unary(name, x).backward();
    return x.grad().item();
  };
  for (const double zero : {0.0, -0.0}) {
    CHECK(slope_at_zero("leaky_relu", zero) == Approx(0.2));
    CHECK(slope_at_zero("relu", zero) == 0.0);
    CHECK(slope_at_zero("abs", zero) == 0.0);
    CHECK(slope_at_zero("selu", zero) == Approx(1.7580993));
  }
}

TEST_CASE("saturating functions do not overflow", "[unary]") {
  const std::vector<float> extremes{-1e30f, -1000.0f, -100.0f, 100.0f, 1000.0f, 1e30f};
  for (const char* name : {"sigmoid", "tanh"})
    for (const bool recorded : {false, true}) {
      INFO(name << (recorded ? ", recorded" : ""));
      Tensor x = Tensor::from(extremes, {6}).set_requires_grad();
      const Tensor y = run_unary(name, x);
      const double lowest = std::string(name) == "tanh" ? -1.0 : 0.0;
      for (std::int64_t i = 0; i < 6; ++i)
        CHECK(element(y, i) == Approx(i < 3 ? lowest : 1.0).margin(1e-30));
      const Tensor dx = gradients(sum(y), {x}, {.create_graph = recorded}).front();
      CHECK(mismatch(dx, Array({6}), {1e-30, 0.0}) == "");
    }
  // selu's exponential belongs to the negative side only.
  Tensor x = Tensor::from(extremes, {6}).set_requires_grad();
  const Tensor dx = gradients(sum(selu(x)), {x}, {.create_graph = true}).front();
  for (std::int64_t i = 0; i < 6; ++i)
    CHECK(element(dx, i) == Approx(i < 3 ? 0.0 : 1.0507010).margin(1e-30));
}

TEST_CASE("tanh keeps its relative accuracy at every magnitude", "[unary]") {
  std::vector<float> values;
  for (double x = 1e-30; x < 40.0; x *= 1.07)
    for (const double sign : {1.0, -1.0})
      values.push_back(static_cast<float>(sign * x));
  const auto n = static_cast<std::int64_t>(values.size());
  Array expected({n});
  for (std::int64_t i = 0; i < n; ++i)
    expected[i] = std::tanh(double{values[static_cast<std::size_t>(i)]});
  // 8 units in the last place of float32.
  CHECK(mismatch(tanh(Tensor::from(values, {n})), expected, {0.0, 8 * 0x1p-24}) == "");
}

TEST_CASE("elementwise functions pass NaN on instead of hiding it", "[unary]") {
  for (const reference::Elementwise& f : reference::kElementwise)
    for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16}) {
      INFO(f.name << " " << dtype);
      const Tensor y = run_unary(f.name, Tensor::full({2}, NAN, dtype));
      CHECK(std::isnan(to_array(y)[0]));
    }
}

TEST_CASE("elementwise functions refuse tensors of integers", "[unary][errors]") {
  for (const reference::Elementwise& f : reference::kElementwise)
    CHECK(shape_error_lacks({f.name, "int32", "floating-point"},
                            [&] { run_unary(f.name, Tensor::zeros({2}, Dtype::int32)); }) == "");
}

}  // namespace whisker::testing
