#include "training/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <whisker/core/autograd.h>
#include <whisker/core/ops.h>
#include <whisker/kernels/cuda/activity.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "nets.h"
#include "sampling.h"
#include "testing.h"
#include "trainer_fixtures.h"

using namespace whisker;
using catgan::Config;
using catgan::StepResult;
using catgan::Trainer;
using catgan_fixtures::clone;
using catgan_fixtures::ContainsSubstring;
using catgan_fixtures::difference;
using catgan_fixtures::Tensors;
using file_fixtures::message_of;
using trainer_fixtures::ShortOfMemory;
using trainer_fixtures::some_pictures;
using trainer_fixtures::train;

namespace {

/// The article's step written down plainly: G runs twice, and D's losses are differentiated as one.
struct PlainStep {
  explicit PlainStep(const Config& config) : init(config.seed) {
    g = catgan::make_generator(config, init);
    d = catgan::make_discriminator(config, init);
    optim::AdamOptions options{.learning_rate = config.g_rate,
                               .beta1 = config.beta1,
                               .beta2 = config.beta2,
                               .epsilon = config.adam_epsilon,
                               .epsilon_placement = optim::AdamEpsilon::tensorflow};
    g_adam.emplace(g->parameters(), options);
    options.learning_rate = config.d_rate;
    d_adam.emplace(d->parameters(), options);
  }

  void step(const Tensor& real, const Tensor& z) {
    const Tensor for_d = (*g)(z);
    d_loss = nn::sigmoid_cross_entropy((*d)(real), 1.0) +
             nn::sigmoid_cross_entropy((*d)(for_d.detach()), 0.0);
    d_loss.backward();
    d_adam->step();
    d_adam->zero_grad();
    g_loss = nn::sigmoid_cross_entropy((*d)((*g)(z)), 1.0);
    g_loss.backward();
    d_adam->zero_grad();
    g_adam->step();
    g_adam->zero_grad();
  }

  nn::Init init;
  std::unique_ptr<nn::Module> g, d;
  std::optional<optim::Adam> g_adam, d_adam;
  Tensor d_loss, g_loss;
};

void fill(Tensor tensor, float value) {
  tensor.copy_from(Tensor::full(tensor.shape(), value));
}

}  // namespace

TEST_CASE("One run of G for both updates gives the same bits as two", "[trainer]") {
  Config config = catgan_fixtures::tiny_config();
  config.ema_decay = 0.0;
  config.norm_updates = 2;  // G's two runs of the plain step both count
  Trainer trainer(config);
  Config once = config;
  once.norm_updates = 1;
  PlainStep plain(once);
  for (std::int64_t i = 0; i < 4; ++i) {
    const Tensor real = some_pictures(config, static_cast<std::uint32_t>(i));
    const Tensor z = catgan::training_z(config, i);
    const StepResult result = trainer.step(real, z);
    plain.step(real, z);
    CHECK(result.g_loss == plain.g_loss.item());
    CHECK(result.d_loss == Approx(plain.d_loss.item()).epsilon(1e-6));
    CHECK(difference(trainer.generator().state_dict(), plain.g->state_dict()) == "");
    CHECK(difference(trainer.discriminator().state_dict(), plain.d->state_dict()) == "");
  }
}

TEST_CASE("A step leaves no gradient behind and D's weights collect none in G's update",
          "[trainer]") {
  const Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config);

  /// Looks at D when it is called the third time in a step: that is G's update.
  struct Observer : nn::ForwardObserver {
    int calls = 0;
    bool recorded = false;
    void called(nn::Module& module, const Tensor&, const Tensor&) override {
      if (module.path() != "d" || ++calls != 3) return;
      for (const auto& [name, tensor] : module.parameters())
        recorded = recorded || tensor.requires_grad();
    }
  } observer;
  train(trainer, config, 1);
  CHECK(observer.calls == 3);
  CHECK_FALSE(observer.recorded);
  for (nn::Module* net : {&trainer.generator(), &trainer.discriminator()}) {
    for (const auto& [name, tensor] : net->parameters()) {
      INFO(name);
      CHECK_FALSE(tensor.grad().defined());
      CHECK(tensor.requires_grad());
    }
  }
}

TEST_CASE("A step changes every parameter of both nets", "[trainer]") {
  const Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config);
  const Tensors before = clone(trainer.state());
  train(trainer, config, 2);
  for (const auto& [name, tensor] : trainer.state()) {
    // D's moving statistics are nobody's, and the rest of a norm takes a bias before it away.
    if (name.starts_with("d.") && name.find("moving") != std::string::npos) continue;
    INFO(name);
    CHECK(difference({{"", before.at(name)}}, {{"", tensor}}) != "");
  }
}

TEST_CASE("Training continued from a saved state gives the same bits", "[trainer]") {
  const Config config = catgan_fixtures::tiny_config();
  Trainer whole(config), first(config);
  train(whole, config, 6);
  train(first, config, 3);
  const Tensors saved = clone(first.state());
  Config other = config;
  other.seed = 99;  // a state that is not replaced would show
  Trainer second(other);
  second.load_state(saved);
  CHECK(second.steps() == 3);
  for (std::int64_t i = 3; i < 6; ++i)
    second.step(some_pictures(config, static_cast<std::uint32_t>(i)),
                catgan::training_z(config, i));
  CHECK(difference(whole.state(), second.state()) == "");
}

TEST_CASE("A state that does not fit is refused by name", "[trainer]") {
  const Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config);
  const auto complaint = [&](const auto& change) {
    Tensors state = clone(trainer.state());
    change(state);
    return message_of<InputError>([&] { trainer.load_state(state); });
  };
  CHECK_THAT(complaint([](Tensors& s) { s.erase("g.up1.conv.weight"); }),
             ContainsSubstring("up1.conv.weight"));
  CHECK_THAT(complaint([](Tensors& s) { s.erase("d_adam.m.dense.bias"); }),
             ContainsSubstring("m.dense.bias"));
  CHECK_THAT(complaint([](Tensors& s) { s["d.dense.bias"] = Tensor::zeros({2}); }),
             ContainsSubstring("dense.bias"));
  CHECK_THAT(complaint([](Tensors& s) { s["surprise"] = Tensor::zeros({2}); }),
             ContainsSubstring("surprise"));
  CHECK_THAT(complaint([](Tensors& s) { s.erase("steps"); }), ContainsSubstring("steps"));
  CHECK_THAT(complaint([](Tensors& s) { s.erase("ema.updates"); }), ContainsSubstring("updates"));
}

TEST_CASE("Every loss, norm and distribution trains", "[trainer]") {
  Config config = catgan_fixtures::tiny_config();
  config.label_smoothing = 0.1;
  const auto finite = [&] {
    Trainer trainer(config);
    for (const StepResult& result : train(trainer, config, 3))
      if (!std::isfinite(result.d_loss) || !std::isfinite(result.g_loss)) return false;
    trainer.check_finite();
    return true;
  };
  for (const auto loss :
       {catgan::Loss::cross_entropy, catgan::Loss::least_squares, catgan::Loss::hinge}) {
    for (const auto norm : {catgan::Norm::batch, catgan::Norm::selu}) {
      config.loss = loss;
      config.norm = norm;
      CHECK(finite());
    }
  }
  config.z_distribution = catgan::ZDistribution::normal;
  config.adam_placement = catgan::AdamPlacement::pytorch;
  CHECK(finite());
}

TEST_CASE("Smoothing lowers the label of real pictures alone", "[trainer]") {
  Config config = catgan_fixtures::tiny_config();
  Trainer plain(config);
  config.label_smoothing = 0.25;
  Trainer smooth(config);
  const Tensor real = some_pictures(config, 0), z = catgan::training_z(config, 0);
  const NoGrad no_grad;
  const Tensor logits = plain.discriminator()(real);
  const double change = nn::sigmoid_cross_entropy(logits, 0.75).item() -
                        nn::sigmoid_cross_entropy(logits, 1.0).item();
  const GradMode recording(true);
  CHECK(smooth.step(real, z).d_loss - plain.step(real, z).d_loss == Approx(change).epsilon(1e-4));
}

TEST_CASE("The sampling generator is the average where there is one", "[trainer]") {
  Config config = catgan_fixtures::tiny_config();
  Trainer averaged(config);
  train(averaged, config, 4);
  averaged.with_sampling_generator([&](nn::Module& ema) {
    CHECK_FALSE(ema.training());
    CHECK(difference(ema.state_dict(), averaged.generator().state_dict()) != "");
    const auto loaded = catgan::load_generator(config, averaged.state());
    CHECK(difference(ema.state_dict(), loaded->state_dict()) == "");
  });

  config.ema_decay = 0.0;
  Trainer plain(config);
  train(plain, config, 4);
  plain.with_sampling_generator([&](nn::Module& g) {
    CHECK_FALSE(g.training());
    for (const auto& [name, parameter] : g.parameters())
      CHECK(whisker::testing::same_bits(parameter, plain.generator().state_dict().at(name)));
  });
  CHECK(plain.generator().training());
}

TEST_CASE("Drawing samples does not disturb training", "[trainer]") {
  Config config = catgan_fixtures::tiny_config();
  for (const double decay : {0.0, 0.9}) {
    config.ema_decay = decay;
    Trainer trainer(config);
    train(trainer, config, 2);
    const Tensors before = clone(trainer.state());
    const NoGrad no_grad;
    trainer.with_sampling_generator([&](nn::Module& g) { g(catgan::training_z(config, 0)); });
    CHECK(difference(before, trainer.state()) == "");
    CHECK(trainer.generator().training());
  }
}

TEST_CASE("The first bad tensor is named and the weights stay finite", "[trainer][nan]") {
  const Config config = catgan_fixtures::tiny_config();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  Tensor real = some_pictures(config, 0), z = catgan::training_z(config, 0);
  const auto complaint = [&](Trainer& trainer) {
    return message_of<NumericError>([&] { trainer.step(real, z); });
  };
  const auto parameter = [](nn::Module& net, const std::string& name) {
    return net.state_dict().at(name);
  };
  SECTION("a picture") {
    Trainer trainer(config);
    whisker::testing::set_element(real, 7, nan);
    CHECK_THAT(complaint(trainer), ContainsSubstring("D's loss is not finite; the first bad "
                                                     "tensor is the real pictures"));
    trainer.check_finite();
  }
  SECTION("the noise") {
    Trainer trainer(config);
    whisker::testing::set_element(z, 0, infinity);
    CHECK_THAT(complaint(trainer), ContainsSubstring("the first bad tensor is z"));
  }
  SECTION("a parameter of D") {
    Trainer trainer(config);
    whisker::testing::set_element(parameter(trainer.discriminator(), "block2.norm.gamma"), 1, nan);
    CHECK_THAT(complaint(trainer), ContainsSubstring("the parameter d.block2.norm.gamma"));
    CHECK_THAT(message_of<NumericError>([&] { trainer.check_finite(); }),
               ContainsSubstring("d.block2.norm.gamma"));
  }
  SECTION("a parameter of G") {
    Trainer trainer(config);
    whisker::testing::set_element(parameter(trainer.generator(), "up1.conv.weight"), 3, infinity);
    CHECK_THAT(complaint(trainer), ContainsSubstring("the parameter g.up1.conv.weight"));
  }
  SECTION("a layer's output") {
    Trainer trainer(config);
    fill(parameter(trainer.discriminator(), "block1.norm.gamma"), 3e38f);
    CHECK_THAT(complaint(trainer), ContainsSubstring("the output of d.block1.norm"));
    trainer.check_finite();
  }
  SECTION("a gradient") {
    // Its factors are finite, and so is the loss.
    Config selu = config;
    selu.norm = catgan::Norm::selu;
    Trainer trainer(selu);
    fill(real, 1e25f);
    fill(parameter(trainer.discriminator(), "block1.conv.weight"), 0.0f);
    fill(parameter(trainer.discriminator(), "dense.weight"), 1e20f);
    CHECK_THAT(complaint(trainer), ContainsSubstring("the gradient of d.block1.conv.weight"));
    trainer.check_finite();
  }
}

TEST_CASE("A gradient of G that is no number leaves D one update ahead", "[trainer][nan]") {
  Config config = catgan_fixtures::tiny_config();
  config.norm = catgan::Norm::selu;
  Trainer trainer(config);
  // Pictures are zero, and so is what these weights are multiplied with, but not on the way back.
  fill(trainer.generator().state_dict().at("out.weight"), 3e38f);
  fill(trainer.generator().state_dict().at("up2.conv.weight"), 1e20f);
  fill(trainer.generator().state_dict().at("dense.weight"), 0.0f);
  const Tensors before = clone(trainer.state());
  const std::string complaint = message_of<NumericError>(
      [&] { trainer.step(some_pictures(config, 0), catgan::training_z(config, 0)); });
  CHECK_THAT(complaint, ContainsSubstring("the gradient of g."));
  for (const auto& [name, tensor] : trainer.state()) {
    INFO(name);
    const bool of_d = name.starts_with("d.") || name.starts_with("d_adam.");
    if (!of_d) CHECK(difference({{"", before.at(name)}}, {{"", tensor}}) == "");
    if (name == "d_adam.steps") CHECK(tensor.item() == 1.0);
    if (name == "d.dense.weight") CHECK(difference({{"", before.at(name)}}, {{"", tensor}}) != "");
  }
  trainer.check_finite();
}

TEST_CASE("Adam counts D's update though G's runs out of memory", "[trainer][errors]") {
  const Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config);
  const Tensors before = clone(trainer.state());
  const int pass = GENERATE(1, 3);  // in D's update, in G's
  {
    ShortOfMemory observer(pass);
    CHECK_THROWS_AS(train(trainer, config, 1), OutOfMemory);
  }
  const Tensors after = trainer.state();
  const bool d_is_ahead =
      difference({{"", before.at("d.dense.weight")}}, {{"", after.at("d.dense.weight")}}) != "";
  CHECK(d_is_ahead == (pass == 3));
  CHECK(after.at("d_adam.steps").item() == (d_is_ahead ? 1.0 : 0.0));
  CHECK(after.at("g_adam.steps").item() == 0.0);
  CHECK(trainer.steps() == 0);
  // What is left over of the failed step would add to the next.
  Trainer other(config);
  other.load_state(clone(after));
  train(trainer, config, 1);
  train(other, config, 1);
  CHECK(difference(trainer.state(), other.state()) == "");
}

TEST_CASE("A step waits for the device once", "[trainer]") {
  if (default_device() == Device::cpu()) SKIP("there is no GPU");
  const Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config);
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t before = kernels::cuda::activity.waits;
    train(trainer, config, 1);
    CHECK(kernels::cuda::activity.waits - before == 1);
  }
}

TEST_CASE("bfloat16 activations give nearly the losses of float32", "[trainer][bf16]") {
  Config config = catgan_fixtures::tiny_config();
  Trainer exact(config);
  config.precision = catgan::Precision::bf16;
  std::unique_ptr<Trainer> rounded;
  std::vector<StepResult> results;
  try {
    rounded = std::make_unique<Trainer>(config);
    results = train(*rounded, config, 3);
  } catch (const Error& error) {
    SKIP(str("this CPU has no bfloat16 convolutions: ", error.what()));
  }
  const std::vector<StepResult> expected = train(exact, config, 3);
  for (std::size_t i = 0; i < results.size(); ++i) {
    // 8 bits of mantissa through a few layers, and two updates.
    CHECK(results[i].d_loss == Approx(expected[i].d_loss).epsilon(0.05));
    CHECK(results[i].g_loss == Approx(expected[i].g_loss).epsilon(0.05));
  }
  for (const auto& [name, tensor] : rounded->state()) {
    INFO(name);
    CHECK(tensor.dtype() != Dtype::bfloat16);
  }
}

namespace {

struct ShortTraining {
  std::vector<StepResult> results;
  Tensors state;
};

ShortTraining train_on(Device device, bool use_graph) {
  const DeviceScope scope(device);
  const Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config);
  trainer.use_graph(use_graph);
  ShortTraining training{.results = train(trainer, config, 8), .state = {}};
  for (const auto& [name, tensor] : trainer.state())
    training.state[name] = tensor.to(Device::cpu());
  return training;
}

}  // namespace

TEST_CASE("A short training of a small DCGAN agrees on the CPU and on the GPU",
          "[trainer][graph]") {
  if (cuda_device_count() == 0) SKIP("there is no GPU");
  const ShortTraining expected = train_on(Device::cpu(), false);
  const bool use_graph = GENERATE(false, true);
  const ShortTraining training = train_on(Device::cuda(), use_graph);
  for (std::size_t i = 0; i < expected.results.size(); ++i) {
    INFO("step " << i);
    CHECK(training.results[i].d_loss == Approx(expected.results[i].d_loss).epsilon(1e-5));
    CHECK(training.results[i].g_loss == Approx(expected.results[i].g_loss).epsilon(1e-5));
    CHECK(training.results[i].d_real == Approx(expected.results[i].d_real).epsilon(1e-5));
    CHECK(training.results[i].d_fake == Approx(expected.results[i].d_fake).epsilon(1e-5));
  }
  for (const auto& [name, tensor] : expected.state) {
    INFO(name);
    // Sums in another order: the roundings, of which Adam divides small gradients by their own
    // size, stay below a tenth of one of its steps of 2e-4.
    whisker::testing::Tolerance tolerance{2e-5, 2e-5};
    // Norms make these biases' gradients zero but for rounding, which Adam makes full steps of, 8
    // in either direction; moving means contain the biases.
    if (name.ends_with(".conv.bias") || name.ends_with(".moving_mean"))
      tolerance.absolute = 2 * 8 * 2e-4;
    CHECK(whisker::testing::mismatch(training.state.at(name), whisker::testing::to_array(tensor),
                                     tolerance) == "");
  }
}
