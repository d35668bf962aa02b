#include <algorithm>
#include <limits>

#include <whisker/core/ops/finite.h>
#include <whisker/core/safetensors.h>
#include <whisker/layers/nn.h>
#include <whisker/optim/ema.h>

#include "catch.h"
#include "file_fixtures.h"
#include "testing.h"

namespace whisker::testing {
namespace {

nn::ConvBlock small_block(std::uint64_t seed = 1) {
  nn::Init init(seed);
  return nn::ConvBlock({.conv = {.in_channels = 2, .out_channels = 3, .kernel = 3}}, init);
}

/// What a training step does to a module: other parameters, other statistics.
void disturb(nn::Module& module, std::uint64_t seed) {
  for (auto& [name, tensor] : module.state_dict())
    Tensor(tensor).copy_from(random_tensor(tensor.shape(), Dtype::float32, seed++, 0.1f, 1.0f));
}

bool same_state(const nn::StateDict& a, const nn::StateDict& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && same_bits(x.second, y.second);
  });
}

}  // namespace

TEST_CASE("an average starts at the module's values and keeps its own copy", "[ema]") {
  nn::ConvBlock block = small_block();
  optim::Ema ema(block, 0.999);
  CHECK(same_state(ema.state_dict(), block.state_dict()));
  disturb(block, 10);
  CHECK_FALSE(same_state(ema.state_dict(), block.state_dict()));
  CHECK(ema.updates() == 0);
  for (const auto& [name, tensor] : ema.state_dict())
    CHECK_FALSE(tensor.requires_grad());
}

TEST_CASE("an average follows its rule, with a decay that warms up", "[ema]") {
  nn::ConvBlock block = small_block();
  const double decay = GENERATE(0.5, 0.999);
  INFO("decay " << decay);
  optim::Ema ema(block, decay);
  std::map<std::string, Array> expected;
  for (const auto& [name, tensor] : block.parameters())
    expected.emplace(name, to_array(tensor));
  for (int n = 1; n <= 30; ++n) {
    disturb(block, static_cast<std::uint64_t>(20 * n));
    ema.update(block);
    const double kept = std::min(decay, (1.0 + n) / (10.0 + n));
    for (auto& [name, average] : expected) {
      const Array value = to_array(block.state_dict().at(name));
      for (std::size_t i = 0; i < value.values.size(); ++i)
        average.values[i] = kept * average.values[i] + (1.0 - kept) * value.values[i];
    }
  }
  CHECK(ema.updates() == 30);
  for (const auto& [name, average] : expected) {
    INFO(name);
    // Two roundings per update, of which the last few survive.
    CHECK(mismatch(ema.state_dict().at(name), average, {1e-6, 0.0}) == "");
  }
}

TEST_CASE("an average takes over buffers as they are", "[ema]") {
  nn::ConvBlock block = small_block();
  optim::Ema ema(block, 0.999);
  for (std::uint64_t step = 0; step < 3; ++step) {
    block(random_tensor({2, 4, 4, 2}, Dtype::float32, step));
    for (const auto& [name, buffer] : block.buffers())
      set_element(ema.state_dict().at(name), 1, std::numeric_limits<double>::quiet_NaN());
    ema.update(block);
    for (const auto& [name, buffer] : block.buffers()) {
      INFO(name);
      CHECK(same_bits(ema.state_dict().at(name), buffer));
    }
  }
  CHECK_FALSE(same_bits(block.buffers()[0].second, Tensor::zeros({3})));
}

TEST_CASE("a blocked update leaves the averages of buffers alone too", "[ema]") {
  nn::ConvBlock block = small_block();
  optim::Ema ema(block, 0.9);
  nn::StateDict before;
  for (const auto& [name, tensor] : ema.state_dict())
    before[name] = tensor.clone();
  disturb(block, 10);
  ema.prepare_update();
  ema.apply_update(block, Tensor::from<std::int32_t>({3}, {1}));
  CHECK(same_state(ema.state_dict(), before));
  ema.apply_update(block, Tensor::full({1}, kAllFinite, Dtype::int32));
  for (const auto& [name, buffer] : block.buffers())
    CHECK(same_bits(ema.state_dict().at(name), buffer));
}

TEST_CASE("an average wants the numbers of its update first", "[ema][errors]") {
  nn::ConvBlock block = small_block();
  optim::Ema ema(block, 0.9);
  const auto complaint = [&] { return message_of([&] { ema.apply_update(block); }); };
  CHECK(complaint().find("prepare_update() first") != std::string::npos);
  ema.update(block);
  ema.keep_numbers_on_device();
  CHECK(complaint().find("prepare_update() first") != std::string::npos);
  ema.update(block);
  nn::Sequential nothing;
  optim::Ema(nothing, 0.9).keep_numbers_on_device();
}

TEST_CASE("an average of a constant module is that module", "[ema]") {
  nn::ConvBlock block = small_block();
  disturb(block, 5);
  optim::Ema ema(block, 0.99);
  for (int i = 0; i < 50; ++i)
    ema.update(block);
  for (const auto& [name, tensor] : block.state_dict())
    CHECK(mismatch(ema.state_dict().at(name), to_array(tensor), {1e-6, 1e-6}) == "");
}

TEST_CASE("a second module samples from the averages", "[ema]") {
  nn::ConvBlock block = small_block(1), sampler = small_block(2);
  optim::Ema ema(block, 0.0);
  disturb(block, 10);
  ema.update(block);
  sampler.load_state_dict(ema.state_dict());
  block.eval();
  sampler.eval();
  const Tensor x = random_tensor({2, 4, 4, 2});
  CHECK(same_bits(sampler(x), block(x)));
}

TEST_CASE("a resumed average goes on bit for bit", "[ema]") {
  const file_fixtures::Folder folder;
  nn::ConvBlock block = small_block();
  optim::Ema whole(block, 0.999), resumed(block, 0.999);
  for (std::uint64_t n = 1; n <= 10; ++n) {
    disturb(block, 20 * n);
    whole.update(block);
    if (n == 5) {
      save_safetensors(folder / "ema.safetensors", {.tensors = whole.state_dict()});
      resumed.load_state_dict(load_safetensors(folder / "ema.safetensors").tensors,
                              whole.updates());
    } else if (n > 5) {
      resumed.update(block);
    }
  }
  CHECK(resumed.updates() == 10);
  CHECK(same_state(whole.state_dict(), resumed.state_dict()));
}

TEST_CASE("a parameter with two names is averaged under both", "[ema]") {
  nn::Init init(1);
  const auto shared = std::make_shared<nn::Dense>(nn::DenseOptions{.in = 3, .out = 3}, init);
  nn::Sequential net;
  net.add("first", shared).add("second", shared);
  optim::Ema ema(net, 0.5);
  disturb(net, 10);
  ema.update(net);
  const nn::StateDict averages = ema.state_dict();
  CHECK(same_bits(averages.at("first.weight"), averages.at("second.weight")));
  CHECK_FALSE(same_bits(averages.at("first.weight"), net.state_dict().at("first.weight")));
}

TEST_CASE("averages refuse other modules, other states and other decays", "[ema][errors]") {
  nn::ConvBlock block = small_block();
  optim::Ema ema(block, 0.9);
  nn::Init init(1);
  nn::ConvBlock wider({.conv = {.in_channels = 2, .out_channels = 2, .kernel = 3}}, init);
  CHECK_THROWS_AS(ema.update(wider), ShapeError);
  nn::Dense dense({.in = 2, .out = 2}, init);
  CHECK(message_of([&] { ema.update(dense); }) ==
        "ema: Dense 2 -> 2 is not the module that was averaged so far");
  CHECK(ema.updates() == 0);
  CHECK_THROWS_AS(ema.load_state_dict(wider.state_dict(), 3), InputError);
  CHECK_THROWS_AS(ema.load_state_dict(block.state_dict(), -10), InputError);
  CHECK(ema.updates() == 0);
  for (const double decay : {-0.1, 1.0, 1.5})
    CHECK_THROWS_AS(optim::Ema(block, decay), Error);
}

}  // namespace whisker::testing
