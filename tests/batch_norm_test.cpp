#include "reference/batch_norm.h"

#include <cmath>

#include <whisker/core/ops.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

struct NormCase {
  const char* remark;
  Shape x;
  BatchNormOptions options{};
};

const NormCase kSmall[] = {
    {"an image", {2, 3, 2, 3}},
    {"with leaky ReLU on top", {2, 2, 3, 3}, {.slope = 0.2}},
    {"with ReLU on top", {3, 2, 2, 2}, {.slope = 0.0}},
    {"one channel", {2, 3, 3, 1}},
    {"one pixel per image", {5, 1, 1, 2}, {.epsilon = 1e-3, .slope = 0.2}},
    {"a matrix", {6, 3}},
};
const NormCase kLarge[] = {
    {"many chunks of rows", {8, 16, 16, 64}, {.slope = 0.2}},
    {"channels are no multiple of 16", {3, 11, 7, 37}},
    {"few channels, many rows", {10, 32, 32, 3}, {.slope = 0.2}},
    {"one channel, an odd number of rows", {3, 41, 41, 1}},
    {"more channels than a chunk holds", {2, 2, 2, 5000}, {.slope = 0.2}},
    {"one row: the variance is zero", {1, 1, 1, 40}, {.epsilon = 1e-3}},
};

Dtype statistics_dtype(Dtype dtype) {
  return dtype == Dtype::bfloat16 ? Dtype::float32 : dtype;
}

/// x, gamma, beta
Tensors norm_inputs(const NormCase& c, Dtype dtype) {
  const Dtype wide = statistics_dtype(dtype);
  return {random_tensor(c.x, dtype, 1, -2.0f, 3.0f), random_tensor({c.x[-1]}, wide, 2, 0.5f, 1.5f),
          random_tensor({c.x[-1]}, wide, 3)};
}

Function training(const BatchNormOptions& options) {
  return [options](const Tensors& in) { return batch_norm(in[0], in[1], in[2], options).y; };
}

/// The mean and variance are constants.
Function inference(const NormCase& c, Dtype dtype) {
  const Dtype wide = statistics_dtype(dtype);
  const Tensor mean = random_tensor({c.x[-1]}, wide, 4);
  const Tensor variance = random_tensor({c.x[-1]}, wide, 5, 0.25f, 2.0f);
  return [=](const Tensors& in) {
    return batch_norm_inference(in[0], in[1], in[2], mean, variance, c.options);
  };
}

Reference norm_reference(const NormCase& c, bool is_training, Dtype dtype) {
  return [&c, is_training, dtype](const std::vector<Array>& in, const Array& dy) {
    const Dtype wide = statistics_dtype(dtype);
    const reference::BatchNorm options{c.options.epsilon, c.options.slope};
    const reference::Statistics s =
        is_training
            ? reference::statistics_of(in[0])
            : reference::Statistics{to_array(random_tensor({c.x[-1]}, wide, 4)),
                                    to_array(random_tensor({c.x[-1]}, wide, 5, 0.25f, 2.0f))};
    const auto g = reference::batch_norm_backward(in[0], in[1], in[2], s, dy, is_training, options);
    return std::vector<Array>{reference::batch_norm_forward(in[0], in[1], in[2], s, options), g.dx,
                              g.dgamma, g.dbeta};
  };
}

/// float32 gradients: dgamma and dbeta are sums of thousands of terms, whose rounding errors are
/// absolute, so they have the tolerance of products.
void check_norm(const NormCase& c, Dtype dtype) {
  INFO(c.remark << ", " << dtype);
  const Tensors in = norm_inputs(c, dtype);
  check_op(training(c.options), in, norm_reference(c, true, dtype), elementwise_tolerance(dtype),
           product_tolerance(dtype));
  check_op(inference(c, dtype), in, norm_reference(c, false, dtype), elementwise_tolerance(dtype),
           product_tolerance(dtype));
}

}  // namespace

TEST_CASE("batch_norm and its gradients equal the definition", "[batch_norm]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16}) {
    for (const NormCase& c : kSmall)
      check_norm(c, dtype);
    for (const NormCase& c : kLarge)
      check_norm(c, dtype);
  }
}

TEST_CASE("batch_norm's backward is the derivative of its forward, twice",
          "[batch_norm][gradcheck]") {
  for (const NormCase& c : kSmall) {
    INFO(c.remark);
    const Tensors in = norm_inputs(c, Dtype::float64);
    CHECK(gradcheck(training(c.options), in) == "");
    CHECK(gradcheck(inference(c, Dtype::float64), in) == "");
    CHECK(gradgradcheck(training(c.options), in) == "");
    CHECK(gradgradcheck(inference(c, Dtype::float64), in) == "");
  }
  CHECK(gradcheck_along_line(training(kLarge[1].options), norm_inputs(kLarge[1], Dtype::float64)) ==
        "");
}

TEST_CASE("batch_norm's recorded backward equals its kernel", "[batch_norm]") {
  for (const NormCase& c : kSmall) {
    INFO(c.remark);
    const Tensors in = leaves_of(norm_inputs(c, Dtype::float64));
    const Tensor loss = sum(square(training(c.options)(in)));
    const Tensors fused = gradients(loss, in, {.retain_graph = true});
    const Tensors recorded = gradients(loss, in, {.create_graph = true});
    for (std::size_t i = 0; i < in.size(); ++i)
      CHECK(mismatch(recorded[i], to_array(fused[i]), product_tolerance(Dtype::float64)) == "");
  }
}

TEST_CASE("batch_norm reports the biased statistics of the batch", "[batch_norm]") {
  for (const NormCase& c : kLarge) {
    INFO(c.remark);
    const Tensors in = norm_inputs(c, Dtype::float32);
    const BatchNormResult result = batch_norm(in[0], in[1], in[2], c.options);
    const reference::Statistics s = reference::statistics_of(to_array(in[0]));
    CHECK(mismatch(result.mean, s.mean, elementwise_tolerance(Dtype::float32)) == "");
    CHECK(mismatch(result.variance, s.variance, elementwise_tolerance(Dtype::float32)) == "");
    CHECK_FALSE(result.mean.requires_grad());
    CHECK_FALSE(result.variance.requires_grad());
  }
}

TEST_CASE("batch_norm keeps its accuracy when the mean is far from zero", "[batch_norm]") {
  // E[x^2] - E[x]^2 would lose all digits of a variance of 1/12 next to a mean of 1000.
  const Tensor x = random_tensor({16, 8, 8, 3}, Dtype::float32, 1, 1000.0f, 1001.0f);
  const BatchNormResult result =
      batch_norm(x, Tensor::full({3}, 1.0), Tensor::zeros({3}), {.epsilon = 0.0});
  const reference::Statistics s = reference::statistics_of(to_array(x));
  // x - mean is exact to the rounding of the mean: 3e-5 of 0.29; squared it counts less.
  CHECK(mismatch(result.variance, s.variance, {0.0, 1e-5}) == "");
  const Array y =
      reference::batch_norm_forward(to_array(x), Array({3}, 1.0), Array({3}), s, {.epsilon = 0.0});
  CHECK(mismatch(result.y, y, {5e-4, 0.0}) == "");
}

TEST_CASE("batch_norm of an empty batch is empty and its gradients are zero", "[batch_norm]") {
  const Tensors in =
      leaves_of({Tensor::zeros({0, 4, 4, 3}), Tensor::full({3}, 2.0), Tensor::zeros({3})});
  const BatchNormResult result = batch_norm(in[0], in[1], in[2]);
  CHECK(result.y.shape() == in[0].shape());
  CHECK(mismatch(result.mean, Array({3}), kExact) == "");
  CHECK(mismatch(result.variance, Array({3}), kExact) == "");
  const Tensors found = gradients(sum(result.y), in);
  CHECK(mismatch(found[1], Array({3}), kExact) == "");
  CHECK(mismatch(found[2], Array({3}), kExact) == "");
}

TEST_CASE("batch_norm_inference without a graph equals the recorded one", "[batch_norm]") {
  for (const NormCase& c : kLarge) {
    INFO(c.remark);
    const Tensors in = norm_inputs(c, Dtype::float32);
    const Function f = inference(c, Dtype::float32);
    CHECK(mismatch(f(in), to_array(f(leaves_of(in))), elementwise_tolerance(Dtype::float32)) == "");
  }
}

TEST_CASE("batch_norm passes NaN on instead of hiding it", "[batch_norm]") {
  Tensor x = random_tensor({4, 2});
  set_element(x, 2, NAN);
  const Tensor y = batch_norm(x, Tensor::full({2}, 1.0), Tensor::zeros({2}), {.slope = 0.2}).y;
  for (int row = 0; row < 4; ++row) {
    CHECK(std::isnan(element(y, 2 * row)));
    CHECK_FALSE(std::isnan(element(y, 2 * row + 1)));
  }
}

TEST_CASE("batch_norm's shape errors name both shapes", "[batch_norm][errors]") {
  const Tensor x = Tensor::zeros({2, 4, 4, 3}), three = Tensor::zeros({3});
  const auto lacks = [&](const std::vector<std::string>& parts, const Tensor& a, const Tensor& g,
                         const Tensor& b, const BatchNormOptions& options = {}) {
    return shape_error_lacks(parts, [&] { batch_norm(a, g, b, options); });
  };
  CHECK(lacks({"batch_norm", "[2,4,4,3]", "[4]"}, x, Tensor::zeros({4}), three) == "");
  CHECK(lacks({"batch_norm", "[2,4,4,3]", "[1,3]"}, x, three, Tensor::zeros({1, 3})) == "");
  CHECK(lacks({"float64"}, x, three, cast(three.to(Device::cpu()), Dtype::float64)) == "");
  CHECK(lacks({"bfloat16", "float32"}, cast(x, Dtype::bfloat16), cast(three, Dtype::bfloat16),
              three) == "");
  CHECK(lacks({"[3]"}, three, three, three) == "");
  CHECK(lacks({"epsilon"}, x, three, three, {.epsilon = -1e-5}) == "");
  CHECK(lacks({"slope"}, x, three, three, {.slope = -0.2}) == "");
  CHECK(shape_error_lacks({"batch_norm_inference", "[2,4,4,3]", "[2]"}, [&] {
          batch_norm_inference(x, three, three, Tensor::zeros({2}), three);
        }) == "");
}

}  // namespace whisker::testing
