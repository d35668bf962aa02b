#include <cmath>

#include <whisker/layers/nn.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

/// The mean of a function of one logit, in double.
double mean_of(const Tensor& logits, const std::function<double(double)>& f) {
  double total = 0.0;
  for (const double v : to_array(logits).values)
    total += f(v);
  return total / static_cast<double>(logits.numel());
}

double cross_entropy(double logit, double label) {
  const double p = 1.0 / (1.0 + std::exp(-logit));
  return -label * std::log(p) - (1.0 - label) * std::log(1.0 - p);
}

/// The gradient of a loss in its logits.
Tensor gradient_of(const std::function<Tensor(const Tensor&)>& loss, const Tensor& logits) {
  const Tensor x = logits.clone().set_requires_grad();
  loss(x).backward();
  return x.grad();
}

Array mapped(const Tensor& x, const std::function<double(double)>& f) {
  Array result = to_array(x);
  for (double& v : result.values)
    v = f(v) / static_cast<double>(x.numel());
  return result;
}

constexpr Tolerance kRounding{1e-7, 2e-6};  // exp and log of float32 and a mean of 64

}  // namespace

TEST_CASE("losses equal their formulas in double precision", "[loss]") {
  const Tensor real = random_tensor({64, 1}, Dtype::float32, 1, -4.0f, 4.0f);
  const Tensor fake = random_tensor({64, 1}, Dtype::float32, 2, -4.0f, 4.0f);
  const auto equals = [](const Tensor& loss, double expected) {
    CHECK(loss.shape() == Shape{});
    CHECK(mismatch(loss, Array({}, expected), kRounding) == "");
  };
  for (const double label : {0.0, 0.1, 0.5, 0.9, 1.0}) {
    INFO("label " << label);
    equals(nn::sigmoid_cross_entropy(real, label),
           mean_of(real, [&](double v) { return cross_entropy(v, label); }));
    equals(nn::least_squares(real, label),
           mean_of(real, [&](double v) { return 0.5 * (v - label) * (v - label); }));
  }
  equals(nn::hinge_discriminator(real, fake),
         mean_of(real, [](double v) { return std::max(0.0, 1.0 - v); }) +
             mean_of(fake, [](double v) { return std::max(0.0, 1.0 + v); }));
  equals(nn::wasserstein_critic(real, fake),
         mean_of(fake, [](double v) { return v; }) - mean_of(real, [](double v) { return v; }));
  equals(nn::negative_mean(fake), mean_of(fake, [](double v) { return -v; }));
}

TEST_CASE("gradients of losses equal their formulas in double precision", "[loss]") {
  const Tensor x = random_tensor({64, 1}, Dtype::float32, 1, -4.0f, 4.0f);
  const Tensor other = random_tensor({64, 1}, Dtype::float32, 2, -4.0f, 4.0f);
  const auto has_gradient = [&](const std::function<Tensor(const Tensor&)>& loss,
                                const std::function<double(double)>& derivative) {
    CHECK(mismatch(gradient_of(loss, x), mapped(x, derivative), kRounding) == "");
  };
  for (const double label : {0.0, 0.9, 1.0}) {
    has_gradient([&](const Tensor& v) { return nn::sigmoid_cross_entropy(v, label); },
                 [&](double v) { return 1.0 / (1.0 + std::exp(-v)) - label; });
    has_gradient([&](const Tensor& v) { return nn::least_squares(v, label); },
                 [&](double v) { return v - label; });
  }
  has_gradient([&](const Tensor& v) { return nn::hinge_discriminator(v, other); },
               [](double v) { return v < 1.0 ? -1.0 : 0.0; });
  has_gradient([&](const Tensor& v) { return nn::hinge_discriminator(other, v); },
               [](double v) { return v > -1.0 ? 1.0 : 0.0; });
  has_gradient([&](const Tensor& v) { return nn::wasserstein_critic(v, other); },
               [](double) { return -1.0; });
  has_gradient([&](const Tensor& v) { return nn::wasserstein_critic(other, v); },
               [](double) { return 1.0; });
  has_gradient(nn::negative_mean, [](double) { return -1.0; });
}

TEST_CASE("sigmoid cross-entropy neither overflows nor vanishes at logits of 1000", "[loss]") {
  const Tensor logits = Tensor::from<float>({1000.0f, -1000.0f}, {2, 1});
  CHECK(nn::sigmoid_cross_entropy(logits, 1.0).item() == 500.0);
  CHECK(nn::sigmoid_cross_entropy(logits, 0.0).item() == 500.0);
  CHECK(nn::sigmoid_cross_entropy(logits, 0.9).item() == Approx(500.0).epsilon(1e-6));
  const auto loss = [](const Tensor& x) { return nn::sigmoid_cross_entropy(x, 1.0); };
  CHECK(same_bits(gradient_of(loss, logits), Tensor::from<float>({0.0f, -0.5f}, {2, 1})));
  // Near certainty the loss is exp(-logit), far below what 1 - p could hold.
  const Tensor sure = Tensor::full({1, 1}, 30.0);
  CHECK(nn::sigmoid_cross_entropy(sure, 1.0).item() == Approx(std::exp(-30.0)).epsilon(1e-5));
}

TEST_CASE("a soft label's loss is least at the logit of that probability", "[loss]") {
  const Tensor logit = Tensor::full({3, 1}, std::log(0.9 / 0.1));
  const auto loss = [](const Tensor& x) { return nn::sigmoid_cross_entropy(x, 0.9); };
  CHECK(mismatch(gradient_of(loss, logit), Array({3, 1}), {1e-7, 0.0}) == "");
  CHECK(loss(logit).item() == Approx(cross_entropy(std::log(9.0), 0.9)).epsilon(1e-6));
}

TEST_CASE("losses of bfloat16 scores are computed in float32", "[loss][bfloat16]") {
  const Tensor x = random_tensor({1000, 1}, Dtype::bfloat16, 1, -4.0f, 4.0f);
  const Tensor loss = nn::least_squares(x, 1.0);
  CHECK(loss.dtype() == Dtype::float32);
  CHECK(mismatch(loss, Array({}, mean_of(x, [](double v) { return 0.5 * (v - 1) * (v - 1); })),
                 kRounding) == "");
  CHECK(nn::sigmoid_cross_entropy(x, 1.0).dtype() == Dtype::float32);
  CHECK(nn::hinge_discriminator(x, x).dtype() == Dtype::float32);
  CHECK(nn::wasserstein_critic(x, x).item() == 0.0);
  CHECK(gradient_of(nn::negative_mean, x).dtype() == Dtype::bfloat16);
}

TEST_CASE("losses refuse empty batches and integers", "[loss][errors]") {
  const Tensor empty = Tensor::zeros({0, 1}), integers = Tensor::zeros({2, 1}, Dtype::int32);
  for (const Tensor& x : {empty, integers}) {
    CHECK_THROWS_AS(nn::sigmoid_cross_entropy(x, 1.0), ShapeError);
    CHECK_THROWS_AS(nn::least_squares(x, 1.0), ShapeError);
    CHECK_THROWS_AS(nn::hinge_discriminator(x, x), ShapeError);
    CHECK_THROWS_AS(nn::wasserstein_critic(x, x), ShapeError);
    CHECK_THROWS_AS(nn::negative_mean(x), ShapeError);
  }
}

}  // namespace whisker::testing
