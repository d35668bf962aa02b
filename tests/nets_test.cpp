#include "nets.h"

#include <whisker/core/autograd.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "net_summary.h"

using namespace whisker;
using catgan::Config;
using catgan_fixtures::ContainsSubstring;

namespace {

Shape shape_of_pictures(const Config& config, std::int64_t batch) {
  nn::Init init(1);
  const NoGrad no_grad;
  const auto g = catgan::make_generator(config, init);
  const auto d = catgan::make_discriminator(config, init);
  const Tensor pictures = (*g)(Tensor::zeros({batch, config.z_size}));
  CHECK((*d)(pictures).shape() == Shape{batch, 1});
  CHECK(pictures.dtype() == Dtype::float32);
  return pictures.shape();
}

std::vector<std::string> names(nn::Module& net) {
  std::vector<std::string> result;
  for (const auto& [name, tensor] : net.parameters())
    result.push_back(name);
  return result;
}

}  // namespace

TEST_CASE("Parameters have the names that checkpoints use", "[nets]") {
  Config config = catgan_fixtures::tiny_config();
  nn::Init init(0);
  CHECK(names(*catgan::make_generator(config, init)) ==
        std::vector<std::string>{"dense.weight", "dense.bias", "up1.conv.weight", "up1.conv.bias",
                                 "up1.norm.gamma", "up1.norm.beta", "up2.conv.weight",
                                 "up2.conv.bias", "up2.norm.gamma", "up2.norm.beta", "out.weight",
                                 "out.bias"});
  CHECK(names(*catgan::make_discriminator(config, init)) ==
        std::vector<std::string>{"block1.conv.weight", "block1.conv.bias", "block1.norm.gamma",
                                 "block1.norm.beta", "block2.conv.weight", "block2.conv.bias",
                                 "block2.norm.gamma", "block2.norm.beta", "dense.weight",
                                 "dense.bias"});
}

TEST_CASE("The shapes that settings claim are those of the nets", "[nets]") {
  const auto shapes_of = [](nn::Module& net) {
    std::map<std::string, Shape> shapes;
    for (const auto& [name, tensor] : net.state_dict())
      shapes[name] = tensor.shape();
    return shapes;
  };
  std::vector<Config> configs{catgan_fixtures::tiny_config(), catgan::make_preset("demo")};
  configs.push_back(configs[0]);
  configs.back().norm = catgan::Norm::selu;
  configs.push_back(configs[0]);
  configs.back().size = 20;  // D's strides do not divide it
  configs.back().d_widths = {2, 3, 4, 5};
  configs.back().d_strides = {2, 2, 1, 2};
  for (const Config& config : configs) {
    nn::Init init(0);
    CHECK(catgan::generator_shapes(config) == shapes_of(*catgan::make_generator(config, init)));
    CHECK(catgan::discriminator_shapes(config) ==
          shapes_of(*catgan::make_discriminator(config, init)));
  }
}

TEST_CASE("The number of doublings follows from size and widths", "[nets]") {
  Config config = catgan_fixtures::tiny_config();
  config.g_widths = {8, 4, 4, 2, 2};
  config.d_widths = {2, 2, 4, 4, 8};
  config.d_strides = {2, 2, 2, 1, 2};
  for (const int size : {16, 32, 64, 96, 128, 256}) {
    config.size = size;
    INFO(size);
    CHECK(shape_of_pictures(config, 2) == Shape{2, size, size, 3});
  }
}

TEST_CASE("D takes sizes that its strides do not divide", "[nets]") {
  Config config = catgan_fixtures::tiny_config();
  config.size = 20;
  config.d_widths = {2, 2, 4};
  config.d_strides = {2, 2, 2};
  CHECK(shape_of_pictures(config, 1) == Shape{1, 20, 20, 3});
}

TEST_CASE("With SELU there is no norm in either net", "[nets]") {
  Config config = catgan_fixtures::tiny_config();
  config.norm = catgan::Norm::selu;
  nn::Init init(0);
  for (const std::string& name : names(*catgan::make_generator(config, init)))
    CHECK(name.find("norm") == std::string::npos);
  for (const std::string& name : names(*catgan::make_discriminator(config, init)))
    CHECK(name.find("norm") == std::string::npos);
  CHECK(shape_of_pictures(config, 2) == Shape{2, 16, 16, 3});
}

TEST_CASE("D gives the same logits in training and evaluation", "[nets]") {
  const Config config = catgan_fixtures::tiny_config();
  nn::Init init(3);
  const NoGrad no_grad;
  const auto d = catgan::make_discriminator(config, init);
  const Tensor x = random_uniform({4, 16, 16, 3}, -1.0f, 1.0f, {.seed = 5});
  const auto before = catgan_fixtures::clone(d->state_dict());
  const Tensor in_training = (*d)(x);
  CHECK(catgan_fixtures::difference(before, d->state_dict()) == "");
  d->eval();
  CHECK(catgan_fixtures::difference({{"", in_training}}, {{"", (*d)(x)}}) == "");
}

TEST_CASE("The article's nets have TensorFlow's numbers of parameters, 54.4 GFLOP for a picture",
          "[nets]") {
  const std::string text = catgan::net_summary(catgan::make_preset("article"));
  for (const char* layer : {"g.dense", "g.up1.conv", "g.up4.norm", "g.out", "g.tanh",
                            "d.block1.conv", "d.block5.norm", "d.dense"}) {
    INFO(layer);
    const std::size_t first = text.find(str("  ", layer, " "));
    REQUIRE(first != std::string::npos);
    CHECK(text.find(str("  ", layer, " "), first + 1) == std::string::npos);
  }
  CHECK_THAT(text, ContainsSubstring("24,034,819"));
  CHECK_THAT(text, ContainsSubstring("17,484,289"));
  CHECK_THAT(text, ContainsSubstring("54.42 for each picture"));
}
