// What samples are drawn with.
#include "sampling.h"

#include <cmath>
#include <limits>

#include "catch.h"
#include "catgan_fixtures.h"
#include "testing.h"
#include "trainer_fixtures.h"

using namespace whisker;
using catgan::Config;
using catgan::Trainer;
using catgan_fixtures::clone;
using catgan_fixtures::ContainsSubstring;
using catgan_fixtures::difference;
using catgan_fixtures::Tensors;
using file_fixtures::message_of;
using trainer_fixtures::train;

namespace {

void fill(Tensor tensor, float value) {
  tensor.copy_from(Tensor::full(tensor.shape(), value, tensor.dtype(), tensor.device()));
}

}  // namespace

TEST_CASE("Samples of a young run are drawn with statistics of its batches alone", "[trainer]") {
  Config config = catgan_fixtures::tiny_config();
  config.ema_decay = 0.0;
  Config remembering_nothing = config;
  remembering_nothing.norm_momentum = 0.0;  // the moving statistics are the last batch's
  for (const int updates : {1, 2}) {
    config.norm_updates = remembering_nothing.norm_updates = updates;
    Trainer young(config), reference(remembering_nothing);
    train(young, config, 1);
    train(reference, remembering_nothing, 1);
    const auto wanted = reference.generator().state_dict();
    const auto loaded = catgan::load_generator(config, young.state());
    young.with_sampling_generator([&](nn::Module& g) {
      CHECK(difference(g.state_dict(), loaded->state_dict()) == "");
      for (const auto& [name, statistic] : g.buffers()) {
        const auto got = statistic.to_vector<float>(), want = wanted.at(name).to_vector<float>();
        for (std::size_t i = 0; i < got.size(); ++i) {
          INFO(name << " " << got[i] << " " << want[i]);
          CHECK(std::abs(got[i] - want[i]) < 2e-5f + 1e-3f * std::abs(want[i]));
        }
      }
    });
  }
}

TEST_CASE("Statistics of an old run, and those of the article, are left as they are", "[trainer]") {
  Config config = catgan_fixtures::tiny_config();
  config.ema_decay = 0.0;
  config.norm_momentum = 0.5;  // 0.5^40 is far below float32's rounding
  Trainer old(config);
  train(old, config, 40);
  old.with_sampling_generator([&](nn::Module& g) {
    CHECK(difference(g.state_dict(), old.generator().state_dict()) == "");
  });
  config.preset = "article";
  config.norm_momentum = 0.99;
  Trainer literal(config);
  train(literal, config, 1);
  literal.with_sampling_generator([&](nn::Module& g) { CHECK(&g == &literal.generator()); });
  CHECK(difference(catgan::load_generator(config, literal.state())->state_dict(),
                   literal.generator().state_dict()) == "");
}

TEST_CASE("A generator that is not finite draws nothing, and its bad tensor is named",
          "[trainer][nan]") {
  for (const double decay : {0.0, 0.9}) {
    Config config = catgan_fixtures::tiny_config();
    config.ema_decay = decay;
    Trainer trainer(config);
    train(trainer, config, 1);
    for (const char* name : {"up1.conv.weight", "up2.norm.moving_mean", "out.bias"}) {
      Tensors state = clone(trainer.state());
      const std::string bad = (decay > 0.0 ? "ema." : "g.") + std::string(name);
      whisker::testing::set_element(state.at(bad), 0, std::numeric_limits<double>::quiet_NaN());
      CHECK_THAT(message_of<NumericError>([&] { catgan::load_generator(config, state, "a file"); }),
                 ContainsSubstring("a file: the first bad tensor is " + bad));
    }
  }
}

TEST_CASE("A picture that is not finite is not drawn", "[trainer][nan]") {
  Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config);
  auto state = clone(trainer.state());
  // All of these are finite; the activations are infinities, whose sums over both signs are NaN.
  fill(state.at("ema.up2.conv.weight"), 1e30f);
  fill(state.at("ema.up2.norm.gamma"), 3e38f);
  const auto generator = catgan::load_generator(config, state);
  const auto key = [](std::int64_t i) {
    return RandomKey{.seed = 1, .step = static_cast<std::uint32_t>(i)};
  };
  CHECK_THROWS_AS(catgan::draw_samples(config, *generator, 1, key), NumericError);
}
