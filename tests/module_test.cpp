#include <memory>

#include <whisker/core/safetensors.h>
#include <whisker/layers/nn.h>

#include "catch.h"
#include "file_fixtures.h"
#include "testing.h"

namespace whisker::testing {
namespace {

/// A generator in small: 4 numbers -> images [4,4,3].
nn::Sequential small_generator(std::uint64_t seed = 1) {
  nn::Init init(seed);
  nn::Sequential g;
  g.add("fc", nn::Dense({.in = 4, .out = 2 * 2 * 8}, init));
  g.add("as_image", nn::Reshape(2, 2, 8));
  g.add("up1", nn::ConvBlock(
                   {.conv = {.in_channels = 8, .out_channels = 4, .stride = 2}, .transposed = true},
                   init));
  g.add("colours", nn::Conv2d({.in_channels = 4, .out_channels = 3, .bias = false}, init));
  g.add("pixels", nn::Tanh());
  return g;
}

std::vector<std::string> names_of(const std::vector<nn::NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors)
    names.push_back(name);
  return names;
}

nn::StateDict clones_of(const nn::StateDict& state) {
  nn::StateDict clones;
  for (const auto& [name, tensor] : state)
    clones[name] = tensor.clone();
  return clones;
}

bool same_state(const nn::StateDict& a, const nn::StateDict& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && same_bits(x.second, y.second);
  });
}

/// Calls its only child twice.
class Twice : public nn::Module {
 public:
  explicit Twice(nn::Init& init) : layer_({.in = 3, .out = 3}, init) {}
  std::string describe() const override { return "Twice"; }

 protected:
  Tensor forward(const Tensor& x) override { return layer_(layer_(x)); }
  void visit(nn::ModuleVisitor& visitor) override { visitor.child("layer", layer_); }

 private:
  nn::Dense layer_;
};

class CountingObserver : public nn::ForwardObserver {
 public:
  std::vector<std::string> paths;
  void called(nn::Module& module, const Tensor&, const Tensor&) override {
    paths.push_back(module.path());
  }
};

}  // namespace

TEST_CASE("a module lists its parameters and buffers by path, in order", "[module]") {
  nn::Sequential g = small_generator();
  CHECK(names_of(g.parameters()) ==
        std::vector<std::string>{"fc.weight", "fc.bias", "up1.conv.weight", "up1.conv.bias",
                                 "up1.norm.gamma", "up1.norm.beta", "colours.weight"});
  CHECK(names_of(g.buffers()) ==
        std::vector<std::string>{"up1.norm.moving_mean", "up1.norm.moving_variance"});
  CHECK(g.parameter_count() == 32 * 4 + 32 + 8 * 25 * 4 + 4 + 4 + 4 + 3 * 25 * 4);
  CHECK(g.state_dict().size() == 9);
  for (const auto& [name, tensor] : g.parameters()) {
    INFO(name);
    CHECK(tensor.requires_grad());
  }
  for (const auto& [name, tensor] : g.buffers()) {
    INFO(name);
    CHECK_FALSE(tensor.requires_grad());
  }
}

TEST_CASE("the article's nets have the article's shapes and number of parameters", "[module]") {
  nn::Init init(1);
  nn::Dense fc({.in = 100, .out = 8 * 8 * 1024}, init);
  nn::Conv2d conv({.in_channels = 3, .out_channels = 64, .stride = 2}, init);
  nn::ConvTranspose2d up({.in_channels = 64, .out_channels = 32, .stride = 2}, init);
  CHECK(fc.state_dict().at("weight").shape() == Shape{65536, 100});
  CHECK(fc.parameter_count() == 6619136);
  CHECK(conv.state_dict().at("weight").shape() == Shape{64, 5, 5, 3});
  CHECK(up.state_dict().at("weight").shape() == Shape{64, 5, 5, 32});
}

TEST_CASE("a state dict hands out the tensors themselves", "[module]") {
  nn::Sequential g = small_generator();
  const Tensor z = random_tensor({2, 4});
  g.eval();
  const Tensor before = g(z);
  nn::StateDict state = g.state_dict();
  state.at("colours.weight").copy_from(Tensor::zeros({3, 5, 5, 4}));
  CHECK_FALSE(same_bits(g(z), before));
  CHECK(same_bits(g(z), Tensor::zeros({2, 4, 4, 3})));
}

TEST_CASE("loading a state dict makes two modules equal and leaves them apart", "[module]") {
  nn::Sequential a = small_generator(1), b = small_generator(2);
  const Tensor z = random_tensor({2, 4});
  a(z);  // moves the statistics
  a.eval();
  b.eval();
  REQUIRE_FALSE(same_bits(a(z), b(z)));
  b.load_state_dict(a.state_dict());
  CHECK(same_state(a.state_dict(), b.state_dict()));
  CHECK(same_bits(a(z), b(z)));
  CHECK(b.parameters()[0].second.requires_grad());
  a.state_dict().at("fc.bias").copy_from(Tensor::full({32}, 3.0));
  CHECK_FALSE(same_bits(a(z), b(z)));
}

TEST_CASE("a state dict that does not fit is refused with all reasons and changes nothing",
          "[module]") {
  nn::Sequential g = small_generator(1);
  nn::StateDict wrong = clones_of(small_generator(2).state_dict());
  wrong.erase("fc.bias");
  wrong["colours.weight"] = Tensor::zeros({3, 4, 4, 4});
  wrong["up1.conv.bias"] = Tensor::zeros({4}, Dtype::float64);
  wrong["up1.norm.beta"] = Tensor();
  wrong["optimizer.m"] = Tensor::zeros({1});
  const nn::StateDict before = clones_of(g.state_dict());
  CHECK_THROWS_AS(g.load_state_dict(wrong), InputError);
  CHECK(message_of([&] { g.load_state_dict(wrong); }) ==
        "Sequential of 5: the saved tensors do not fit:"
        "\n  colours.weight: wants float32 [3,5,5,4], got float32 [3,4,4,4]"
        "\n  missing: fc.bias"
        "\n  up1.conv.bias: wants float32 [4], got float64 [4]"
        "\n  without a value: up1.norm.beta"
        "\n  surplus: optimizer.m");
  CHECK(same_state(g.state_dict(), before));
}

TEST_CASE("training and evaluation mode reach every child", "[module]") {
  nn::Init init(1);
  auto block = std::make_shared<nn::ConvBlock>(
      nn::ConvBlockOptions{.conv = {.in_channels = 2, .out_channels = 2}}, init);
  auto inner = std::make_shared<nn::Sequential>();
  inner->add("block", block);
  nn::Sequential outer;
  outer.add("inner", inner);
  CHECK(block->training());
  outer.eval();
  CHECK_FALSE(outer.training());
  CHECK_FALSE(inner->training());
  CHECK_FALSE(block->training());

  const nn::StateDict before = clones_of(block->state_dict());
  outer(random_tensor({3, 4, 4, 2}));
  CHECK(same_state(block->state_dict(), before));
  outer.train();
  CHECK(block->training());
  outer(random_tensor({3, 4, 4, 2}));
  CHECK_FALSE(same_state(block->state_dict(), before));
}

TEST_CASE("a shape error deep inside a net names the layer, what it is and what came",
          "[module][errors]") {
  nn::Init init(1);
  nn::Sequential g;
  g.add("fc", nn::Dense({.in = 4, .out = 2 * 2 * 6}, init));
  g.add("as_image", nn::Reshape(2, 2, 6));
  g.add("up1", nn::ConvBlock(
                   {.conv = {.in_channels = 8, .out_channels = 4, .stride = 2}, .transposed = true},
                   init));
  g.set_name("g");
  CHECK_THROWS_AS(g(random_tensor({2, 4})), nn::LayerError);
  CHECK(message_of([&] {
          g(random_tensor({2, 4}));
        }) ==
        "g.up1.conv (ConvTranspose2d 8 -> 4, 5x5 / 2): conv_transpose2d: weight [8,5,5,4] wants 8 "
        "input channels, x is [2,2,2,6]");
  CHECK(message_of([&] {
          g(random_tensor({2, 5}));
        }) == "g.fc (Dense 4 -> 24): dense: weight [24,4] wants x [N,in], x is [2,5]");
  g.set_name("");
  CHECK(message_of([&] {
          g(random_tensor({2, 5}));
        }) == "fc (Dense 4 -> 24): dense: weight [24,4] wants x [N,in], x is [2,5]");
  nn::Dense alone({.in = 4, .out = 1}, init);
  CHECK(message_of([&] {
          alone(random_tensor({2, 5}));
        }) == "(Dense 4 -> 1): dense: weight [1,4] wants x [N,in], x is [2,5]");
}

TEST_CASE("after an error a module works on, with the right paths", "[module][errors]") {
  nn::Sequential g = small_generator();
  g.set_name("g");
  CHECK_THROWS_AS(g(random_tensor({2, 5})), nn::LayerError);
  g.set_name("other");
  CHECK_THAT(message_of([&] {
               g(random_tensor({2, 5}));
             }),
             Catch::Matchers::StartsWith("other.fc (Dense 4 -> 32): "));
  CHECK(g(random_tensor({2, 4})).shape() == Shape{2, 4, 4, 3});
}

TEST_CASE("a frozen module passes gradients through and collects none", "[module]") {
  nn::Init init(1);
  nn::Sequential net = small_generator();
  nn::Dense kept({.in = 4, .out = 4}, init);
  net.state_dict().at("fc.bias").set_requires_grad(false);
  const Tensor x = random_tensor({2, 4});
  {
    const nn::Frozen frozen(net);
    for (const auto& [name, tensor] : net.parameters())
      CHECK_FALSE(tensor.requires_grad());
    sum(square(net(kept(x)))).backward();
  }
  for (const auto& [name, tensor] : net.parameters()) {
    INFO(name);
    CHECK_FALSE(tensor.grad().defined());
    CHECK(tensor.requires_grad() == (name != "fc.bias"));
  }
  for (const auto& [name, tensor] : kept.parameters()) {
    INFO(name);
    REQUIRE(tensor.grad().defined());
    CHECK_FALSE(same_bits(tensor.grad(), Tensor::zeros(tensor.shape())));
  }
}

TEST_CASE("forward() may call a copy of a child, which shares its parameters", "[module]") {
  class Copying : public nn::Module {
   public:
    explicit Copying(nn::Init& init) : dense_({.in = 3, .out = 2}, init) {}
    std::string describe() const override { return "Copying"; }
    void visit(nn::ModuleVisitor& visitor) override { visitor.child("dense", dense_); }

   protected:
    Tensor forward(const Tensor& x) override {
      nn::Dense copy = dense_;
      return copy(x);
    }

   private:
    nn::Dense dense_;
  };
  nn::Init init(1);
  Copying net(init);
  CHECK(net(Tensor::zeros({4, 3})).shape() == Shape{4, 2});
}

TEST_CASE("a module that forgets to visit a child with parameters is told at its first call",
          "[module][errors]") {
  class Forgetful : public nn::Module {
   public:
    explicit Forgetful(nn::Init& init) : dense_({.in = 3, .out = 2}, init) {}
    std::string describe() const override { return "Forgetful"; }

   protected:
    // A child without parameters need not be visited.
    Tensor forward(const Tensor& x) override { return dense_(nn::Relu()(x)); }

   private:
    nn::Dense dense_;
  };
  nn::Init init(1);
  Forgetful net(init);
  const std::string message = message_of([&] { net(Tensor::zeros({1, 3})); });
  CHECK(message.find("Forgetful: forward() calls Dense 3 -> 2, which visit() does not name") == 0);
  // As part of another module it is told as well, and the next call finds all as it was.
  nn::Sequential outer;
  outer.add("inner", Forgetful(init));
  CHECK(message_of([&] { outer(Tensor::zeros({1, 3})); }).find("visit()") != std::string::npos);
  CHECK(nn::Dense({.in = 3, .out = 2}, init)(Tensor::zeros({1, 3})).shape() == Shape{1, 2});
}

TEST_CASE("freezing ends with its scope when an exception leaves it", "[module]") {
  nn::Sequential net = small_generator();
  CHECK_THROWS_AS(([&] {
                    const nn::Frozen frozen(net);
                    net(random_tensor({1, 9}));
                  }()),
                  ShapeError);
  CHECK(net.parameters()[0].second.requires_grad());
}

TEST_CASE("set_requires_grad switches all parameters and no buffer", "[module]") {
  nn::Sequential net = small_generator();
  net.set_requires_grad(false);
  CHECK_FALSE(net(random_tensor({2, 4})).requires_grad());
  net.set_requires_grad(true);
  CHECK(net(random_tensor({2, 4})).requires_grad());
  CHECK_FALSE(net.buffers()[0].second.requires_grad());
}

TEST_CASE("observers are told of every call while they exist, nested ones too", "[module]") {
  nn::Sequential net = small_generator();
  net.set_name("g");
  const std::vector<std::string> all{"g.fc",  "g.as_image", "g.up1.conv", "g.up1.norm",
                                     "g.up1", "g.colours",  "g.pixels",   "g"};
  CountingObserver outer;
  net(random_tensor({2, 4}));
  CHECK(outer.paths == all);
  {
    CountingObserver inner;
    net(random_tensor({2, 4}));
    CHECK(inner.paths == all);
  }
  CHECK(outer.paths.size() == 2 * all.size());
  net(random_tensor({2, 4}));
  CHECK(outer.paths.size() == 3 * all.size());
}

TEST_CASE("a summary has shapes, parameters and FLOPs of every layer and of the whole",
          "[module]") {
  nn::Sequential net = small_generator();
  net.set_name("g");
  const std::vector<nn::SummaryRow> rows = nn::summary(net, {1, 4});
  REQUIRE(rows.size() == 8);
  const double fc = 2.0 * 4 * 32, up = 2.0 * 2 * 2 * 8 * 25 * 4, colours = 2.0 * 4 * 4 * 4 * 25 * 3;
  const auto is_row = [&](std::size_t i, const char* path, const char* description,
                          const Shape& output, std::int64_t parameters, double flops) {
    INFO(path);
    CHECK(rows[i].path == path);
    CHECK(rows[i].description == description);
    CHECK(rows[i].output == output);
    CHECK(rows[i].parameters == parameters);
    CHECK(rows[i].flops == flops);
  };
  is_row(0, "g.fc", "Dense 4 -> 32", {1, 32}, 160, fc);
  is_row(1, "g.as_image", "Reshape 2x2x8", {1, 2, 2, 8}, 0, 0.0);
  is_row(2, "g.up1.conv", "ConvTranspose2d 8 -> 4, 5x5 / 2", {1, 4, 4, 4}, 804, up);
  is_row(3, "g.up1.norm", "BatchNorm2d 4, leaky ReLU 0.2", {1, 4, 4, 4}, 8, 0.0);
  is_row(4, "g.up1", "ConvBlock transposed 8 -> 4, 5x5 / 2", {1, 4, 4, 4}, 812, up);
  is_row(5, "g.colours", "Conv2d 4 -> 3, 5x5 / 1, no bias", {1, 4, 4, 3}, 300, colours);
  is_row(6, "g.pixels", "Tanh", {1, 4, 4, 3}, 0, 0.0);
  is_row(7, "g", "Sequential of 5", {1, 4, 4, 3}, 1272, fc + up + colours);
}

TEST_CASE("a summary counts work twice that is done twice, and parameters once", "[module]") {
  nn::Init init(1);
  Twice net(init);
  const std::vector<nn::SummaryRow> rows = nn::summary(net, {5, 3});
  REQUIRE(rows.size() == 3);
  CHECK(rows[2].flops == 2 * rows[0].flops);
  CHECK(rows[2].parameters == rows[0].parameters);
}

TEST_CASE("a summary leaves the module as it was, also when the input does not fit", "[module]") {
  nn::Init init(1);
  auto frozen_norm = std::make_shared<nn::BatchNorm2d>(nn::BatchNorm2dOptions{.channels = 2});
  nn::Sequential net;
  auto conv =
      std::make_shared<nn::Conv2d>(nn::ConvOptions{.in_channels = 2, .out_channels = 2}, init);
  net.add("conv", conv).add("norm", frozen_norm);
  frozen_norm->eval();
  const nn::StateDict before = clones_of(net.state_dict());
  nn::summary(net, {1, 4, 4, 2});
  CHECK_THROWS_AS(nn::summary(net, {1, 4, 4, 3}), nn::LayerError);
  CHECK(same_state(net.state_dict(), before));
  CHECK(net.training());
  CHECK(conv->training());
  CHECK_FALSE(frozen_norm->training());
}

TEST_CASE("a layer used under two names is one parameter with two names in the state", "[module]") {
  nn::Init init(1);
  auto shared = std::make_shared<nn::Dense>(nn::DenseOptions{.in = 3, .out = 3}, init);
  nn::Sequential net;
  net.add("first", shared);
  net.add("second", shared);
  CHECK(names_of(net.parameters()) == std::vector<std::string>{"first.weight", "first.bias"});
  CHECK(net.parameter_count() == 12);
  CHECK(net.state_dict().size() == 4);
}

TEST_CASE("Sequential refuses names that are taken, empty or ambiguous", "[module][errors]") {
  nn::Sequential net;
  net.add("a", nn::Relu());
  CHECK(message_of([&] { net.add("a", nn::Tanh()); }) == "Sequential: the name a is taken by ReLU");
  CHECK(message_of([&] { net.add("", nn::Tanh()); }) == "Sequential: a layer needs a name");
  CHECK(message_of([&] { net.add("a.b", nn::Tanh()); }) ==
        "Sequential: the name a.b has a dot, which separates names");
  CHECK(message_of([&] { net.add("b", std::shared_ptr<nn::Module>()); }) ==
        "Sequential: layer b is null");
  CHECK(net.describe() == "Sequential of 1");
}

TEST_CASE("an empty Sequential is the identity", "[module]") {
  nn::Sequential net;
  const Tensor x = random_tensor({2, 3});
  CHECK(same_bits(net(x), x));
  CHECK(net.parameters().empty());
}

TEST_CASE("Sequential takes layers by value, as pointers and chained", "[module]") {
  nn::Init init(1);
  const auto dense = std::make_shared<nn::Dense>(nn::DenseOptions{.in = 3, .out = 2}, init);
  nn::Sequential net;
  net.add("dense", dense).add("negative", nn::LeakyRelu(-1.0)).add("root", nn::Sigmoid());
  const Tensor x = random_tensor({4, 3});
  CHECK(same_bits(net(x), sigmoid(leaky_relu((*dense)(x), -1.0))));
}

TEST_CASE("a state dict survives a safetensors file", "[module]") {
  const file_fixtures::Folder folder;
  nn::Sequential a = small_generator(1), b = small_generator(2);
  a(random_tensor({2, 4}));
  save_safetensors(folder / "g.safetensors",
                   {.tensors = a.state_dict(), .metadata = {{"what", "a generator"}}});
  b.load_state_dict(load_safetensors(folder / "g.safetensors").tensors);
  CHECK(same_state(a.state_dict(), b.state_dict()));
}

}  // namespace whisker::testing
