// Elementwise functions at infinities, zeros of both signs and NaN, against what PyTorch computed:
// see golden/make_special_values.py.
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <string>

#include <whisker/core/ops.h>
#include <whisker/core/safetensors.h>
#include <whisker/layers/nn.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);

const std::map<std::string, Unary> kUnary{
    {"relu", relu},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); }},
    {"tanh", tanh},
    {"sigmoid", sigmoid},
    {"selu", selu},
    {"exp", exp},
    {"log", log},
    {"sqrt", sqrt},
    {"square", square},
    {"abs", abs},
    {"affine", [](const Tensor& x) { return affine(x, -1.5, 0.25); }}};
const std::map<std::string, Binary> kBinary{
    {"add", add},
    {"sub", sub},
    {"mul", mul},
    {"div", div},
    {"sigmoid_cross_entropy", sigmoid_cross_entropy_with_logits}};
constexpr Dtype kDtypes[] = {Dtype::float32, Dtype::float64, Dtype::bfloat16};

const SafetensorsFile& golden() {
  static const SafetensorsFile file = load_safetensors(std::filesystem::path(WHISKER_SOURCE_DIR) /
                                                       "tests/golden/special_values.safetensors");
  return file;
}

Tensor golden_tensor(const std::string& op, Dtype dtype, const std::string& role) {
  return golden().tensors.at(str(op, "/", dtype, "/", role));
}

Tensor leaf(const std::string& op, Dtype dtype, const std::string& role) {
  return golden_tensor(op, dtype, role).to(device_for(dtype)).clone().set_requires_grad();
}

/// The gradients that an equal dy for every element induces. A sum's own gradient is 1, so dy is a
/// factor; that of bfloat16 sums is float32.
Tensors induced(const Tensor& y, const Tensors& leaves, double dy, bool recorded) {
  const Tensor weighted = record(Tensor::zeros({1}, y.dtype(), y.device()), "weighted", {y},
                                 [dy, &y](const Tensor&, const NodePtr&) -> Tensors {
                                   return {Tensor::full(y.shape(), dy, y.dtype(), y.device())};
                                 });
  return gradients(weighted, leaves, {.create_graph = recorded, .retain_graph = true});
}

bool close(double actual, double expected, const Tolerance& tolerance) {
  if (std::isnan(expected)) return std::isnan(actual);
  if (std::isinf(expected)) return actual == expected;
  return std::abs(actual - expected) <=
         tolerance.absolute + tolerance.relative * std::abs(expected);
}

/// Empty, or the first element that is not PyTorch's, with the argument it belongs to.
std::string difference(const Tensor& actual, const Tensor& expected, const Tensor& at) {
  // A few roundings; in bfloat16, one of a saved result as well.
  const Tolerance tolerance = expected.dtype() == Dtype::bfloat16
                                  ? Tolerance{0x1p-7, 1.6e-2}
                                  : elementwise_tolerance(expected.dtype());
  const Array a = to_array(actual), b = to_array(expected), x = to_array(at);
  for (std::int64_t i = 0; i < b.shape.numel(); ++i)
    if (!close(a[i], b[i], tolerance)) return str("at ", x[i], ": ", a[i], ", PyTorch ", b[i]);
  return "";
}

}  // namespace

TEST_CASE("functions of one tensor have PyTorch's values and gradients where numbers end",
          "[unary][special]") {
  for (const auto& [op, function] : kUnary)
    for (const Dtype dtype : kDtypes) {
      const Tensor x = leaf(op, dtype, "x");
      const Tensor y = function(x);
      INFO(op << " " << dtype);
      CHECK(difference(y, golden_tensor(op, dtype, "y"), x) == "");
      for (const auto& [role, dy] :
           {std::pair("dx1", 1.0), std::pair("dxinf", kInf), std::pair("dxnan", kNan)})
        for (const bool recorded : {false, true}) {
          INFO(role << (recorded ? " recorded" : ""));
          const Tensor dx = induced(y, {x}, dy, recorded).front();
          CHECK(difference(dx, golden_tensor(op, dtype, role), x) == "");
        }
      if (dtype == Dtype::bfloat16) continue;  // its first derivative has been rounded
      const Tensor dx = induced(y, {x}, 1.0, true).front();
      const Tensor ddx = induced(dx, {x}, 1.0, false).front();
      // PyTorch takes 0 for the second derivative at this kink, and the negative side's for the
      // first.
      if (op == "selu")
        for (std::int64_t i = 0; i < x.numel(); ++i)
          if (element(x, i) == 0.0) set_element(ddx, i, 0.0);
      CHECK(difference(ddx, golden_tensor(op, dtype, "ddx"), x) == "");
    }
}

TEST_CASE("functions of two tensors have PyTorch's values and gradients where numbers end",
          "[binary][special]") {
  for (const auto& [op, function] : kBinary)
    for (const Dtype dtype : kDtypes) {
      const Tensor a = leaf(op, dtype, "a"), b = leaf(op, dtype, "b");
      const Tensor y = function(a, b);
      INFO(op << " " << dtype);
      CHECK(difference(y, golden_tensor(op, dtype, "y"), a) == "");
      for (const auto& [role, dy] : {std::pair("1", 1.0), std::pair("inf", kInf)}) {
        INFO("dy " << role);
        const Tensors found = induced(y, {a, b}, dy, false);
        CHECK(difference(found[0], golden_tensor(op, dtype, str("da", role)), a) == "");
        CHECK(difference(found[1], golden_tensor(op, dtype, str("db", role)), b) == "");
      }
    }
}

TEST_CASE("a ReLU by any name gives zeros, not negative ones, and hides no NaN",
          "[unary][batch_norm][special]") {
  const std::vector<float> values{-INFINITY, -3.0f, -1e-40f, -1e-3f, 0.0f, 2.0f, INFINITY, NAN};
  for (const Dtype dtype : kDtypes) {
    INFO(dtype);
    const Tensor x = cast(Tensor::from(values, {8, 1}), Dtype::float32).to(device_for(dtype));
    const Tensor argument = cast(x, dtype);
    const Dtype wide = dtype == Dtype::bfloat16 ? Dtype::float32 : dtype;
    const Tensor one = Tensor::full({1}, 1.0, wide, x.device());
    const Tensor zero = Tensor::zeros({1}, wide, x.device());
    const auto normed = [&](const Tensor& at) {
      return batch_norm_inference(at, one, zero, zero, one, {.epsilon = 0.0, .slope = 0.0});
    };
    const Tensor recorded = [&] {
      Tensor leaf = argument.clone();
      return normed(leaf.set_requires_grad());
    }();
    for (const Tensor& y :
         {relu(argument), leaky_relu(argument, 0.0), normed(argument), recorded}) {
      for (std::int64_t i = 0; i < 4; ++i) {
        CHECK(element(y, i) == 0.0);
        CHECK_FALSE(std::signbit(element(y, i)));
      }
      CHECK(element(y, 5) == 2.0);
      CHECK(element(y, 6) == kInf);
      CHECK(std::isnan(element(y, 7)));
    }
  }
}

TEST_CASE("a ReLU fused into batch norm passes no infinite gradient where it is off",
          "[batch_norm][special]") {
  for (const Dtype dtype : kDtypes) {
    INFO(dtype);
    const Dtype wide = dtype == Dtype::bfloat16 ? Dtype::float32 : dtype;
    const Device device = device_for(dtype);
    Tensor x =
        cast(Tensor::from(std::vector<float>{-1.0f, 1.0f}, {2, 1}).to(device), dtype).clone();
    Tensor gamma = Tensor::full({1}, 1.0, wide, device), beta = Tensor::zeros({1}, wide, device);
    x.set_requires_grad();
    gamma.set_requires_grad();
    beta.set_requires_grad();
    const Tensor y = batch_norm(x, gamma, beta, {.epsilon = 0.0, .slope = 0.0}).y;
    CHECK(element(y, 0) == 0.0);
    CHECK_FALSE(std::signbit(element(y, 0)));
    // dy is infinite where the ReLU is off and 1 where it is on.
    Tensor dy = Tensor::full({2, 1}, 1.0, dtype, device);
    set_element(dy, 0, kInf);
    const Tensor loss = record(Tensor::zeros({1}, dtype, device), "weighted", {y},
                               [dy](const Tensor&, const NodePtr&) -> Tensors { return {dy}; });
    const Tensors found = gradients(loss, {x, gamma, beta});
    CHECK(element(found[1], 0) == Approx(1.0));
    CHECK(element(found[2], 0) == Approx(1.0));
    CHECK(std::isfinite(element(found[0], 0)));
  }
}

TEST_CASE("the hinge loss of infinite scores is PyTorch's", "[loss][special]") {
  // relu(1 - real) + relu(1 + fake) with PyTorch's relu: 0 for real = inf and for fake = -inf.
  const auto loss = [](double real, double fake) {
    return nn::hinge_discriminator(Tensor::full({2, 1}, real), Tensor::full({2, 1}, fake)).item();
  };
  CHECK(loss(kInf, -5.0) == 0.0);
  CHECK(loss(5.0, -kInf) == 0.0);
  CHECK(loss(kInf, -kInf) == 0.0);
  CHECK(loss(-kInf, -5.0) == kInf);
  CHECK(loss(5.0, kInf) == kInf);
  CHECK(std::isnan(loss(kNan, -5.0)));
  CHECK(std::isnan(loss(5.0, kNan)));
}

}  // namespace whisker::testing
