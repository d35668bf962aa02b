#include <limits>

#include <whisker/kernels/cuda/activity.h>

#include "catch.h"
#include "catgan_fixtures.h"
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
    if (name.starts_with("ema.") || name.find("moving") == std::string::npos)
      CHECK(difference({{"", before.at(name)}}, {{"", tensor}}) == "");
  }
  trainer.check_finite();
}

TEST_CASE("A recording that runs out of memory says so by its type", "[trainer][graph][errors]") {
  if (default_device() == Device::cpu()) SKIP("there is no GPU");
  const Config config = catgan_fixtures::tiny_config();
  Trainer trainer(config), other(config);
  train(trainer, config, 2);
  other.load_state(clone(trainer.state()));
  {
    ShortOfMemory observer(3);
    CHECK_THAT(message_of<OutOfMemory>([&] { train(trainer, config, 1); }),
               ContainsSubstring("none is left; WHISKER_GRAPH=off"));
  }
  CHECK(difference(trainer.state(), other.state()) == "");
  train(trainer, config, 2);
  train(other, config, 2);
  CHECK(difference(trainer.state(), other.state()) == "");
}
