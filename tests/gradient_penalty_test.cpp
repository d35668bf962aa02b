// Gradients of gradients through whole nets: what WGAN-GP (Gulrajani et al. 2017) and R1 (Mescheder
// et al. 2018) train with.
#include <cmath>

#include <whisker/layers/nn.h>
#include <whisker/optim/adam.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

constexpr double kEpsilon = 1.001e-5;
using Critic = std::function<Tensor(const Tensor& x)>;

/// mean over the batch of (|d critic / d x| - 1)^2.
Tensor wgan_gp(const Critic& critic, const Tensor& x) {
  const Tensor dx = gradients(sum(critic(x)), {x}, {.create_graph = true})[0];
  return mean(square(sqrt(sum(square(flatten(dx)), {1})) - 1.0));
}

/// half the mean over the batch of |d critic / d x|^2.
Tensor r1(const Critic& critic, const Tensor& x) {
  const Tensor dx = gradients(sum(critic(x)), {x}, {.create_graph = true})[0];
  return 0.5 * mean(sum(square(flatten(dx)), {1}));
}

using Penalty = Tensor (*)(const Critic& critic, const Tensor& x);

/// Images [5,6,5,2] and the parameters of functional_critic in float64.
Tensors critic_inputs() {
  const std::vector<Shape> shapes{{5, 6, 5, 2}, {3, 3, 3, 2}, {3},     {3, 4, 4, 3}, {3},
                                  {3},          {3},          {1, 27}, {1}};
  Tensors inputs;
  for (std::size_t i = 0; i < shapes.size(); ++i)
    inputs.push_back(random_tensor(shapes[i], Dtype::float64, 1 + i, -0.9f, 1.1f));
  return inputs;
}

/// conv, leaky ReLU, conv / 2, batch norm with leaky ReLU, dense.
Tensor functional_critic(const Tensors& in, const Tensor& x) {
  const Tensor y = leaky_relu(conv2d(x, in[1], in[2], Conv2dOptions::same(1)), 0.2);
  const Tensor z = conv2d(y, in[3], in[4], Conv2dOptions::same(2));
  const BatchNormOptions norm{.epsilon = kEpsilon, .slope = 0.2};
  return dense(reshape(batch_norm(z, in[5], in[6], norm).y, {x.dim(0), 27}), in[7], in[8]);
}

/// The same as layers, with the same parameters in float32.
nn::Sequential layered_critic(const Tensors& in) {
  nn::Init init(1);
  nn::Sequential critic;
  using Activation = nn::ConvBlockOptions::Activation;
  critic.add("first", nn::ConvBlock({.conv = {.in_channels = 2, .out_channels = 3, .kernel = 3},
                                     .activation = Activation::leaky_relu},
                                    init));
  critic.add("second",
             nn::ConvBlock(
                 {.conv = {.in_channels = 3, .out_channels = 3, .kernel = 4, .stride = 2}}, init));
  critic.add("flatten", nn::Flatten()).add("score", nn::Dense({.in = 27, .out = 1}, init));
  std::size_t i = 1;
  for (auto& [name, tensor] : critic.parameters())
    Tensor(tensor).copy_from(cast(in[i++], Dtype::float32));
  return critic;
}

/// The gradients of a penalty in x and all parameters of the functional critic.
Tensors functional_gradients(Penalty penalty, const Tensors& inputs) {
  const Tensors leaves = leaves_of(inputs);
  const Critic critic = [&](const Tensor& x) { return functional_critic(leaves, x); };
  return gradients(penalty(critic, leaves[0]), leaves);
}

}  // namespace

TEST_CASE("WGAN-GP's and R1's gradients are the derivatives of the penalties",
          "[gradient_penalty][gradcheck]") {
  for (const Penalty penalty : {wgan_gp, r1}) {
    const Function f = [&](const Tensors& in) {
      return penalty([&](const Tensor& x) { return functional_critic(in, x); }, in[0]);
    };
    CHECK(gradcheck(f, critic_inputs()) == "");
  }
}

TEST_CASE("layers in float32 have the penalty gradients of float64 ops", "[gradient_penalty]") {
  const Tensors inputs = critic_inputs();
  for (const Penalty penalty : {wgan_gp, r1}) {
    const Tensors expected = functional_gradients(penalty, inputs);
    nn::Sequential critic = layered_critic(inputs);
    const Tensor x = cast(inputs[0], Dtype::float32).to(default_device()).set_requires_grad();
    penalty([&](const Tensor& in) { return critic(in); }, x).backward();
    const auto parameters = critic.parameters();
    REQUIRE(parameters.size() + 1 == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      INFO((i == 0 ? "x" : parameters[i - 1].first));
      const Tensor found = i == 0 ? x.grad() : parameters[i - 1].second.grad();
      const Array wanted = to_array(expected[i]);
      double largest = 0.0;
      for (const double v : wanted.values)
        largest = std::max(largest, std::abs(v));
      // The last bias moves no gradient of the critic; the rest are sums of some hundred products.
      if (found.defined()) {
        CHECK(mismatch(found, wanted, {1e-5 + 2e-5 * largest, 0.0}) == "");
      } else {
        CHECK(largest == 0.0);
      }
    }
  }
}

TEST_CASE("a critic learns slope 1 from its gradient penalty", "[gradient_penalty]") {
  nn::Sequential critic = layered_critic(critic_inputs());
  optim::Adam adam(critic.parameters(), {.learning_rate = 1e-2});
  double first = 0.0, last = 0.0;
  for (std::uint64_t step = 0; step < 60; ++step) {
    const Tensor x = random_tensor({8, 6, 5, 2}, Dtype::float32, step).set_requires_grad();
    adam.zero_grad();
    const Tensor penalty = wgan_gp([&](const Tensor& in) { return critic(in); }, x);
    penalty.backward();
    adam.step();
    last = penalty.item();
    if (step == 0) first = last;
  }
  CHECK(last < 0.1 * first);
}

}  // namespace whisker::testing
