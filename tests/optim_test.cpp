#include <cmath>
#include <limits>
#include <memory>

#include <whisker/core/backend.h>
#include <whisker/core/ops.h>
#include <whisker/core/ops/finite.h>
#include <whisker/core/safetensors.h>
#include <whisker/kernels/cuda/activity.h>
#include <whisker/layers/nn.h>
#include <whisker/optim/adam.h>
#include <whisker/optim/ema.h>
#include <whisker/optim/rmsprop.h>
#include <whisker/optim/sgd.h>

#include "catch.h"
#include "file_fixtures.h"
#include "testing.h"

namespace whisker::testing {
namespace {

using Parameters = std::vector<nn::NamedTensor>;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Parameters some_parameters(Dtype dtype = Dtype::float32) {
  return {{"weight", random_tensor({5, 7}, dtype, 1).set_requires_grad()},
          {"bias", random_tensor({3}, dtype, 2).set_requires_grad()}};
}

/// Gradients of step t: of many sizes, zeros among them.
void set_gradients(Parameters& parameters, std::uint64_t t) {
  for (auto& [name, tensor] : parameters) {
    Tensor g =
        cast(random_tensor(tensor.shape(), Dtype::float64, 100 + t, -2.0f, 2.0f), tensor.dtype());
    g = g.to(tensor.device()) * (t % 3 == 0 ? 1e-6 : 1.0);
    tensor.set_grad(t % 5 == 4 ? Tensor::zeros(g.shape(), g.dtype()) : g);
  }
}

/// One element's update in double: theta, the gradient, two state values and the step from 1.
struct Scalar {
  double theta = 0.0, a = 0.0, b = 0.0;
};
using Rule = std::function<void(Scalar& s, double g, double t)>;

/// Twenty steps of the optimizer and of the rule, in both dtypes.
template <class Optimizer, class Options>
void check_rule(const Options& options, const Rule& rule) {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32}) {
    INFO(dtype);
    Parameters parameters = some_parameters(dtype);
    std::vector<std::vector<Scalar>> expected;
    for (const auto& [name, tensor] : parameters) {
      auto& scalars = expected.emplace_back();
      for (const double theta : to_array(tensor).values)
        scalars.push_back({.theta = theta});
    }
    Optimizer optimizer(parameters, options);
    for (int t = 1; t <= 20; ++t) {
      set_gradients(parameters, static_cast<std::uint64_t>(t));
      optimizer.step();
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        const Array g = to_array(parameters[p].second.grad());
        Array theta = g;
        for (std::size_t i = 0; i < g.values.size(); ++i) {
          rule(expected[p][i], g.values[i], t);
          theta.values[i] = expected[p][i].theta;
        }
        INFO("step " << t);
        // Float32 rounds theta (here up to 3) once per step, by at most 2^-23.
        const double absolute = dtype == Dtype::float32 ? 4e-7 * t : 1e-14 * t;
        CHECK(mismatch(parameters[p].second, theta, {absolute, 0.0}) == "");
      }
    }
  }
}

/// Continues from a saved state: are steps 6 to 10 those of ten steps without a break?
template <class Optimizer, class Options>
void check_resume(const Options& options) {
  const file_fixtures::Folder folder;
  Parameters whole = some_parameters(), broken = some_parameters();
  Optimizer without_break(whole, options);
  auto before = std::make_unique<Optimizer>(broken, options);
  for (std::uint64_t t = 1; t <= 5; ++t) {
    set_gradients(broken, t);
    before->step();
  }
  save_safetensors(folder / "state.safetensors", {.tensors = before->state_dict()});
  before.reset();
  Optimizer after(broken, options);
  after.load_state_dict(load_safetensors(folder / "state.safetensors").tensors);
  CHECK(after.steps() == 5);
  for (std::uint64_t t = 1; t <= 10; ++t) {
    set_gradients(whole, t);
    without_break.step();
    if (t <= 5) continue;
    set_gradients(broken, t);
    after.step();
  }
  for (std::size_t i = 0; i < whole.size(); ++i)
    CHECK(same_bits(whole[i].second, broken[i].second));
  const auto a = without_break.state_dict(), b = after.state_dict();
  REQUIRE(a.size() == b.size());
  for (const auto& [name, tensor] : a)
    CHECK(same_bits(b.at(name), tensor));
}

/// How far one step moves a parameter whose only gradient ever is g.
double first_move(optim::AdamEpsilon placement, double g) {
  const Tensor theta = Tensor::zeros({1}, Dtype::float64).set_requires_grad();
  Tensor(theta).set_grad(Tensor::full({1}, g, Dtype::float64));
  optim::Adam adam(
      {{"theta", theta}},
      {.learning_rate = 2e-4, .beta1 = 0.5, .epsilon = 1e-8, .epsilon_placement = placement});
  adam.step();
  return -theta.item();
}

}  // namespace

TEST_CASE("Adam follows both published rules over twenty steps", "[optim][adam]") {
  const double rate = 2e-2, beta1 = 0.5, beta2 = 0.999, epsilon = 1e-3;
  for (const auto placement : {optim::AdamEpsilon::tensorflow, optim::AdamEpsilon::pytorch}) {
    INFO("placement " << static_cast<int>(placement));
    check_rule<optim::Adam>(
        optim::AdamOptions{.learning_rate = rate,
                           .beta1 = beta1,
                           .beta2 = beta2,
                           .epsilon = epsilon,
                           .epsilon_placement = placement},
        [&](Scalar& s, double g, double t) {
          s.a = beta1 * s.a + (1.0 - beta1) * g;
          s.b = beta2 * s.b + (1.0 - beta2) * g * g;
          const double c1 = 1.0 - std::pow(beta1, t), c2 = 1.0 - std::pow(beta2, t);
          if (placement == optim::AdamEpsilon::tensorflow)
            s.theta -= rate * std::sqrt(c2) / c1 * s.a / (std::sqrt(s.b) + epsilon);
          else
            s.theta -= rate * (s.a / c1) / (std::sqrt(s.b / c2) + epsilon);
        });
  }
}

TEST_CASE("TensorFlow's epsilon brakes the first step for tiny gradients", "[optim][adam]") {
  const auto tensorflow = optim::AdamEpsilon::tensorflow, pytorch = optim::AdamEpsilon::pytorch;
  CHECK(first_move(tensorflow, 1e-6) == Approx(1.52e-4).epsilon(2e-3));
  CHECK(first_move(pytorch, 1e-6) == Approx(1.98e-4).epsilon(2e-3));
  CHECK(first_move(tensorflow, 1e-8) == Approx(6.1e-6).epsilon(2e-2));
  CHECK(first_move(pytorch, 1e-8) == Approx(1e-4).epsilon(2e-3));
  CHECK(first_move(tensorflow, 1.0) == Approx(2e-4).epsilon(1e-5));
  CHECK(first_move(pytorch, -1.0) == Approx(-2e-4).epsilon(1e-5));
}

TEST_CASE("SGD follows its rule, with momentum and with Nesterov's look-ahead", "[optim][sgd]") {
  const double rate = 0.05;
  check_rule<optim::Sgd>(optim::SgdOptions{.learning_rate = rate},
                         [&](Scalar& s, double g, double) { s.theta -= rate * g; });
  check_rule<optim::Sgd>(optim::SgdOptions{.learning_rate = rate, .momentum = 0.9},
                         [&](Scalar& s, double g, double) {
                           s.a = 0.9 * s.a + g;
                           s.theta -= rate * s.a;
                         });
  check_rule<optim::Sgd>(
      optim::SgdOptions{.learning_rate = rate, .momentum = 0.9, .nesterov = true},
      [&](Scalar& s, double g, double) {
        s.a = 0.9 * s.a + g;
        s.theta -= rate * (g + 0.9 * s.a);
      });
}

TEST_CASE("RMSprop follows both published rules", "[optim][rmsprop]") {
  const double rate = 1e-2, decay = 0.9, epsilon = 1e-3;
  for (const bool inside : {false, true}) {
    INFO("inside " << inside);
    check_rule<optim::RmsProp>(
        optim::RmsPropOptions{.learning_rate = rate,
                              .decay = decay,
                              .epsilon = epsilon,
                              .epsilon_inside_root = inside},
        [&](Scalar& s, double g, double) {
          s.a = decay * s.a + (1.0 - decay) * g * g;
          s.theta -= rate * g / (inside ? std::sqrt(s.a + epsilon) : std::sqrt(s.a) + epsilon);
        });
  }
}

TEST_CASE("a resumed optimizer goes on bit for bit", "[optim]") {
  check_resume<optim::Adam>(optim::AdamOptions{.beta1 = 0.5});
  check_resume<optim::Adam>(
      optim::AdamOptions{.epsilon_placement = optim::AdamEpsilon::tensorflow});
  check_resume<optim::Sgd>(optim::SgdOptions{});
  check_resume<optim::Sgd>(optim::SgdOptions{.momentum = 0.9, .nesterov = true});
  check_resume<optim::RmsProp>(optim::RmsPropOptions{});
}

TEST_CASE("an optimizer's state is named by slot and parameter", "[optim]") {
  optim::Adam adam(some_parameters(), {});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : adam.state_dict())
    names.push_back(name);
  CHECK(names == std::vector<std::string>{"m.bias", "m.weight", "steps", "v.bias", "v.weight"});
  CHECK(optim::Sgd(some_parameters(), {}).state_dict().size() == 1);
}

TEST_CASE("an optimizer leaves parameters without a gradient alone", "[optim]") {
  Parameters parameters = some_parameters();
  const Tensor bias = parameters[1].second.clone();
  optim::Adam adam(parameters, {});
  set_gradients(parameters, 1);
  parameters[1].second.set_grad(Tensor());
  const Tensor weight = parameters[0].second.clone();
  adam.step();
  CHECK_FALSE(same_bits(parameters[0].second, weight));
  CHECK(same_bits(parameters[1].second, bias));
  CHECK(same_bits(adam.state_dict().at("v.bias"), Tensor::zeros({3})));
  CHECK(adam.steps() == 1);
}

TEST_CASE("a step without any gradient is an error, and no step", "[optim][errors]") {
  optim::Adam adam(some_parameters(), {});
  CHECK(message_of([&] { adam.step(); }) ==
        "optimizer: no parameter has a gradient; call backward() before step()");
  CHECK(adam.steps() == 0);
}

TEST_CASE("gradients add up until zero_grad forgets them", "[optim]") {
  nn::Init init(1);
  nn::Dense net({.in = 3, .out = 1, .bias = false}, init);
  const Tensor weight = net.parameters()[0].second, x = Tensor::full({1, 3}, 2.0);
  optim::Sgd sgd(net.parameters(), {.learning_rate = 0.5});
  sum(net(x)).backward();
  sum(net(x)).backward();
  CHECK(same_bits(weight.grad(), Tensor::full({1, 3}, 4.0)));
  sgd.zero_grad();
  CHECK_FALSE(weight.grad().defined());
  sum(net(x)).backward();
  CHECK(same_bits(weight.grad(), Tensor::full({1, 3}, 2.0)));
  const Tensor before = weight.clone();
  sgd.step();
  CHECK(same_bits(weight, before - 1.0));
  sgd.zero_grad();
  sgd.zero_grad();
}

TEST_CASE("an update is blocked by a gradient that is no number, and nobody has to wait",
          "[optim]") {
  Parameters parameters = some_parameters();
  optim::Adam adam(parameters, {});
  SECTION("with its numbers in the launch") {}
  SECTION("with its numbers on the device") {
    adam.keep_numbers_on_device();
  }
  const auto state = [&] {
    nn::StateDict all = adam.state_dict();
    for (const auto& [name, tensor] : parameters)
      all[name] = tensor;
    for (auto& [name, tensor] : all)
      tensor = tensor.clone();
    return all;
  };
  Tensor first_bad = Tensor::full({}, kAllFinite, Dtype::int32);
  const auto step = [&] {
    adam.prepare_step();
    find_not_finite({Tensor(), parameters[0].second.grad(), parameters[1].second.grad()}, 7,
                    first_bad);
    adam.apply_step(first_bad);
  };
  set_gradients(parameters, 1);
  step();
  CHECK(first_bad.item() == kAllFinite);
  adam.count_step();
  const nn::StateDict good = state();
  CHECK_FALSE(same_bits(good.at("m.bias"), Tensor::zeros({3})));

  set_gradients(parameters, 2);
  set_element(parameters[1].second.grad(), 2, kNaN);
  step();
  CHECK(first_bad.item() == 9);
  for (const auto& [name, tensor] : state())
    CHECK(same_bits(tensor, good.at(name)));
}

TEST_CASE("all parameters are one launch, and so are all averages", "[optim][ema]") {
  if constexpr (kWithCuda) {
    if (default_device() == Device::cpu()) SKIP("there is no GPU");
    const auto launches = [](const auto& body) {
      const std::uint64_t before = kernels::cuda::activity.launches;
      body();
      return kernels::cuda::activity.launches - before;
    };
    Parameters parameters = some_parameters();
    set_gradients(parameters, 1);
    optim::Adam adam(parameters, {});
    optim::Sgd sgd(parameters, {.momentum = 0.9});
    optim::RmsProp rmsprop(parameters, {});
    CHECK(launches([&] { adam.step(); }) == 1);
    CHECK(launches([&] { sgd.step(); }) == 1);
    CHECK(launches([&] { rmsprop.step(); }) == 1);
    nn::Init init(1);
    nn::Dense net({.in = 3, .out = 4}, init);
    optim::Ema ema(net, 0.9);
    CHECK(launches([&] { ema.update(net); }) == 1);
  }
}

TEST_CASE("the bfloat16 copy that a GPU keeps of a weight is updated with it", "[optim][bf16]") {
  if (default_device() == Device::cpu()) SKIP("there is no GPU");
  nn::Init init(1);
  nn::Conv2d net({.in_channels = 8, .out_channels = 8, .kernel = 3}, init);
  const Tensor x = cast(random_tensor({2, 4, 4, 8}), Dtype::bfloat16);
  const Tensor weight = net.state_dict().at("weight");
  kernels::PackedWeights& packed = weight.storage()->packed();
  const auto copy = [&] {
    kernels::Buffer buffer = packed.take(kernels::kBfloat16Layout);
    if (buffer) packed.put(kernels::kBfloat16Layout, buffer);
    return buffer;
  };
  optim::Adam adam(net.parameters(), {.learning_rate = 0.1});
  CHECK(copy() == nullptr);
  const auto update = [&] {
    adam.zero_grad();
    mean(cast(net(x), Dtype::float32)).backward();
    adam.step();
  };
  update();
  const kernels::Buffer first = copy();
  REQUIRE(first != nullptr);
  for (int step = 0; step < 3; ++step) {
    const Tensor before = weight.clone();
    update();
    CHECK_FALSE(same_bits(weight, before));
    CHECK(copy() == first);
    Tensor kept = Tensor::empty(weight.shape(), Dtype::bfloat16);
    copy_bytes(first.get(), weight.device(), kept.raw_mutable_data(), kept.device(), kept.bytes());
    CHECK(same_bits(kept, cast(weight.detach(), Dtype::bfloat16)));
  }
  // Another writer knows nothing of the copy.
  Tensor(weight).copy_from(weight.clone());
  CHECK(copy() == nullptr);
}

TEST_CASE("an update wants its numbers first", "[optim][errors]") {
  Parameters parameters{{"theta", Tensor::zeros({1}).set_requires_grad()}};
  parameters[0].second.set_grad(Tensor::full({1}, 1.0));
  optim::Adam adam(parameters, {});
  optim::Sgd sgd(parameters, {});
  optim::RmsProp rmsprop(parameters, {});
  for (optim::Optimizer* optimizer : std::vector<optim::Optimizer*>{&adam, &sgd, &rmsprop}) {
    const std::string expected =
        "optim: an update has no numbers; call prepare_step() or prepare_update() first";
    CHECK(message_of([&] { optimizer->apply_step(); }) == expected);
    optimizer->prepare_step();
    optimizer->apply_step();
    // Those in memory of the device are others.
    optimizer->keep_numbers_on_device();
    CHECK(message_of([&] { optimizer->apply_step(); }) == expected);
  }
}

TEST_CASE("a new learning rate holds from the next step on", "[optim]") {
  Parameters parameters{{"theta", Tensor::zeros({1}).set_requires_grad()}};
  optim::Sgd sgd(parameters, {.learning_rate = 0.5});
  Tensor& theta = parameters[0].second;
  theta.set_grad(Tensor::full({1}, 1.0));
  sgd.step();
  CHECK(theta.item() == -0.5);
  sgd.set_learning_rate(0.25);
  CHECK(sgd.learning_rate() == 0.25);
  sgd.step();
  CHECK(theta.item() == -0.75);
  sgd.set_learning_rate(0.0);
  sgd.step();
  CHECK(theta.item() == -0.75);
}

TEST_CASE("an update spoils a backward pass that comes too late, with a message",
          "[optim][errors]") {
  nn::Init init(1);
  nn::Dense net({.in = 3, .out = 3}, init);
  optim::Sgd sgd(net.parameters(), {});
  const Tensor x = random_tensor({2, 3}), y = net(net(x));
  sum(net(x)).backward();
  sgd.step();
  CHECK_THAT(message_of([&] { sum(y).backward(); }),
             file_fixtures::ContainsSubstring("run backward before the update"));
}

TEST_CASE("optimizers bring a small net's loss down", "[optim]") {
  const auto falls = [](auto make_optimizer) {
    nn::Init init(1);
    nn::Sequential net;
    net.add("a", nn::Dense({.in = 4, .out = 16}, init)).add("tanh", nn::Tanh());
    net.add("b", nn::Dense({.in = 16, .out = 1}, init));
    const Tensor x = random_tensor({32, 4}), target = sum(square(x), {1}, true);
    const auto optimizer = make_optimizer(net.parameters());
    double first = 0.0, last = 0.0;
    for (int step = 0; step < 300; ++step) {
      optimizer->zero_grad();
      const Tensor loss = mean(square(net(x) - target));
      loss.backward();
      optimizer->step();
      last = loss.item();
      if (step == 0) first = last;
    }
    CHECK(last < 0.1 * first);
  };
  falls([](const Parameters& p) {
    return std::make_unique<optim::Adam>(p, optim::AdamOptions{.learning_rate = 0.02});
  });
  falls([](const Parameters& p) {
    return std::make_unique<optim::Sgd>(
        p, optim::SgdOptions{.learning_rate = 0.05, .momentum = 0.9, .nesterov = true});
  });
  falls([](const Parameters& p) {
    return std::make_unique<optim::RmsProp>(p, optim::RmsPropOptions{.learning_rate = 0.01});
  });
}

TEST_CASE("saved optimizer state that does not fit is refused and changes nothing",
          "[optim][errors]") {
  Parameters parameters = some_parameters();
  optim::Adam adam(parameters, {});
  set_gradients(parameters, 1);
  adam.step();
  nn::StateDict before;
  for (const auto& [name, tensor] : adam.state_dict())
    before[name] = tensor.clone();
  const auto refuses = [&](const nn::StateDict& state, const std::string& message) {
    CHECK_THROWS_AS(adam.load_state_dict(state), InputError);
    CHECK(message_of([&] { adam.load_state_dict(state); }) == message);
    for (const auto& [name, tensor] : adam.state_dict())
      CHECK(same_bits(tensor, before.at(name)));
  };
  refuses(optim::Sgd(some_parameters(), {.momentum = 0.9}).state_dict(),
          "optimizer: the saved tensors do not fit:\n  missing: m.bias\n  missing: m.weight\n"
          "  missing: v.bias\n  missing: v.weight\n  surplus: velocity.bias\n"
          "  surplus: velocity.weight");
  nn::StateDict state = optim::Adam(some_parameters(), {}).state_dict();
  state["steps"] = Tensor::full({}, -3, Dtype::int32);
  refuses(state, "optimizer: the saved state counts -3 steps");
  state["steps"] = Tensor::full({}, 3, Dtype::float32);
  refuses(state,
          "optimizer: the saved tensors do not fit:\n"
          "  steps: wants int32 [], got float32 []");
  state["steps"] = Tensor();
  refuses(state, "optimizer: the saved tensors do not fit:\n  without a value: steps");
}

TEST_CASE("optimizers refuse parameters and options that make no sense", "[optim][errors]") {
  const Parameters good = some_parameters();
  CHECK(message_of([] { optim::Adam({}, {}); }) == "optimizer: there are no parameters to update");
  const Tensor other = Tensor::zeros({3}).set_requires_grad();
  CHECK(message_of([&] {
          optim::Adam({good[0], {"weight", other}}, {});
        }) ==
        "optimizer: two parameters are named weight; give an optimizer to each module, or put a "
        "prefix in front of the names");
  CHECK(message_of([&] {
          optim::Adam({good[0], {"again", good[0].second}}, {});
        }) == "optimizer: weight and again are one parameter, which would be updated twice");
  const Tensor narrow = Tensor::zeros({3}, Dtype::bfloat16).set_requires_grad();
  CHECK(message_of([&] {
          optim::Sgd({{"narrow", narrow}}, {});
        }) == "optimizer: parameter narrow is bfloat16, master weights are float32 or float64");

  for (const double rate : {-1e-3, kNaN, HUGE_VAL}) {
    CHECK_THROWS_AS(optim::Adam(good, {.learning_rate = rate}), Error);
    CHECK_THROWS_AS(optim::Sgd(good, {}).set_learning_rate(rate), Error);
  }
  for (const double fraction : {-0.1, 1.0, kNaN}) {
    CHECK_THROWS_AS(optim::Adam(good, {.beta1 = fraction}), Error);
    CHECK_THROWS_AS(optim::Adam(good, {.beta2 = fraction}), Error);
    CHECK_THROWS_AS(optim::Sgd(good, {.momentum = fraction}), Error);
    CHECK_THROWS_AS(optim::RmsProp(good, {.decay = fraction}), Error);
  }
  for (const double epsilon : {0.0, -1e-8, kNaN}) {
    CHECK_THROWS_AS(optim::Adam(good, {.epsilon = epsilon}), Error);
    CHECK_THROWS_AS(optim::RmsProp(good, {.epsilon = epsilon}), Error);
  }
  CHECK(message_of([&] { optim::Sgd(good, {.nesterov = true}); }) ==
        "sgd: Nesterov's look-ahead wants a momentum");
}

}  // namespace whisker::testing
