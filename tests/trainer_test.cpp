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
#include "training/training_data.h"

using namespace whisker;
using catgan::Config;
using catgan::StepResult;
using catgan::Trainer;
using catgan_fixtures::clone;
using catgan_fixtures::ContainsSubstring;
using catgan_fixtures::difference;
using catgan_fixtures::Tensors;
using file_fixtures::message_of;

namespace {

Tensor some_pictures(const Config& config, std::uint32_t step) {
  return random_uniform({config.batch, config.size, config.size, 3}, -1.0f, 1.0f,
                        {.seed = 9, .step = step});
}

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

std::vector<StepResult> train(Trainer& trainer, const Config& config, int steps) {
  std::vector<StepResult> results;
  for (int i = 0; i < steps; ++i)
    results.push_back(trainer.step(some_pictures(config, static_cast<std::uint32_t>(i)),
                                   catgan::training_z(config, i)));
  return results;
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
    CHECK(difference(g.state_dict(), plain.generator().state_dict()) == "");
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

namespace {

bool same(const StepResult& a, const StepResult& b) {
  return a.d_loss == b.d_loss && a.g_loss == b.g_loss && a.d_real == b.d_real &&
         a.d_fake == b.d_fake;
}

std::vector<std::vector<std::uint8_t>> samples(const Config& config, Trainer& trainer) {
  std::vector<std::vector<std::uint8_t>> pixels;
  trainer.with_sampling_generator([&](nn::Module& g) {
    const auto key = [](std::int64_t i) {
      return RandomKey{.seed = 4, .step = static_cast<std::uint32_t>(i)};
    };
    for (const catgan::Picture& picture : catgan::draw_samples(config, g, 3, key))
      pixels.push_back(picture.rgb);
  });
  return pixels;
}

/// Steps that are replayed against steps that are not, with all that happens between steps.
void check_replays(const Config& config) {
  Trainer eager(config), replayed(config);
  eager.use_graph(false);
  int replays = 0;
  for (int i = 0; i < 12; ++i) {
    INFO("step " << i);
    const Tensor real = some_pictures(config, static_cast<std::uint32_t>(i));
    const Tensor z = catgan::training_z(config, i);
    const StepResult expected = eager.step(real, z);
    const std::uint64_t before = kernels::cuda::activity.launches;
    const StepResult result = replayed.step(real, z);
    if (kernels::cuda::activity.launches == before) ++replays;
    CHECK(same(result, expected));
    CHECK(difference(eager.state(), replayed.state()) == "");
    if (i == 4 || i == 5) CHECK(samples(config, eager) == samples(config, replayed));
    if (i == 6) replayed.load_state(clone(replayed.state()));
  }
  // Steps 3 to 6, and 10 and 11, after the loaded state was looked at for two steps and recorded.
  CHECK(replays == 6);
}

}  // namespace

TEST_CASE("Replayed steps give the bits of steps that are not", "[trainer][graph]") {
  if (default_device() == Device::cpu()) SKIP("there is no GPU");
  Config config = catgan_fixtures::tiny_config();
  SECTION("with averages") {
    check_replays(config);
  }
  SECTION("without averages, with PyTorch's Adam") {
    config.ema_decay = 0.0;
    config.norm_updates = 2;
    config.adam_placement = catgan::AdamPlacement::pytorch;
    check_replays(config);
  }
  SECTION("with other losses, norms and numbers") {
    config.loss = catgan::Loss::hinge;
    config.norm = catgan::Norm::selu;
    config.z_distribution = catgan::ZDistribution::normal;
    config.label_smoothing = 0.1;
    check_replays(config);
  }
  SECTION("with bfloat16") {
    config.precision = catgan::Precision::bf16;
    config.ema_decay = 0.0;  // samples use the weights' own copies
    check_replays(config);
  }
}

TEST_CASE("A batch of another size is a step of its own", "[trainer][graph]") {
  if (default_device() == Device::cpu()) SKIP("there is no GPU");
  const Config config = catgan_fixtures::tiny_config();
  Config smaller = config;
  smaller.batch = 3;
  Trainer eager(config), replayed(config);
  eager.use_graph(false);
  for (int i = 0; i < 10; ++i) {
    const Config& sizes = i == 5 ? smaller : config;
    const Tensor real = some_pictures(sizes, static_cast<std::uint32_t>(i));
    const Tensor z = catgan::training_z(sizes, i);
    CHECK(same(eager.step(real, z), replayed.step(real, z)));
    CHECK(difference(eager.state(), replayed.state()) == "");
  }
}

TEST_CASE("A number that is none is named in a replayed step too", "[trainer][nan][graph]") {
  if (default_device() == Device::cpu()) SKIP("there is no GPU");
  const Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config);
  train(trainer, config, 5);
  const Tensors before = clone(trainer.state());
  Tensor real = some_pictures(config, 5);
  whisker::testing::set_element(real, 7, std::numeric_limits<float>::quiet_NaN());
  CHECK_THAT(
      message_of<NumericError>([&] { trainer.step(real, catgan::training_z(config, 5)); }),
      ContainsSubstring("D's loss is not finite; the first bad tensor is the real pictures"));
  for (const auto& [name, tensor] : trainer.state()) {
    INFO(name);
    // G ran, and then again to find out why; its moving statistics are no weights.
    if (name.find("moving") == std::string::npos)
      CHECK(difference({{"", before.at(name)}}, {{"", tensor}}) == "");
  }
  trainer.check_finite();
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
