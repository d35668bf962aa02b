#include <cmath>
#include <limits>
#include <memory>

#include <whisker/core/safetensors.h>
#include <whisker/kernels/cpu/implementations.h>
#include <whisker/layers/nn.h>

#include "catch.h"
#include "file_fixtures.h"
#include "testing.h"

namespace whisker::testing {
namespace {

using Activation = nn::ConvBlockOptions::Activation;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Does the layer equal the op on its parameters, in result and all gradients, bit for bit?
void check_is_op(nn::Module& layer, const Tensor& x,
                 const std::function<Tensor(const Tensor& x, const nn::StateDict& state)>& op) {
  INFO(layer.describe());
  nn::StateDict state;
  for (const auto& [name, tensor] : layer.state_dict()) {
    state[name] = tensor.clone();
    if (tensor.requires_grad()) state[name].set_requires_grad();
  }
  for (auto& [name, parameter] : layer.parameters())
    Tensor(parameter).set_grad(Tensor());
  const Tensor x1 = x.clone().set_requires_grad(), x2 = x.clone().set_requires_grad();
  const Tensor y1 = layer(x1), y2 = op(x2, state);
  REQUIRE(same_bits(y1, y2));
  const Tensor dy = random_tensor(y1.shape(), Dtype::float32, 9);
  sum(y1 * dy).backward();
  sum(y2 * dy).backward();
  CHECK(same_bits(x1.grad(), x2.grad()));
  for (const auto& [name, parameter] : layer.parameters()) {
    INFO(name);
    CHECK(same_bits(parameter.grad(), state.at(name).grad()));
  }
}

/// Gives every parameter and buffer values that no other layer has, variances stay positive.
void scramble(nn::Module& layer, std::uint64_t seed) {
  for (auto& [name, tensor] : layer.state_dict())
    Tensor(tensor).copy_from(random_tensor(tensor.shape(), Dtype::float32, ++seed, 0.2f, 1.0f));
}

struct LayerCase {
  const char* name;
  std::shared_ptr<nn::Module> layer;
  Shape input;
};

template <class Layer>
std::shared_ptr<nn::Module> share(Layer layer) {
  return std::make_shared<Layer>(std::move(layer));
}

nn::Sequential small_net(nn::Init& init) {
  nn::Sequential net;
  net.add("conv", nn::Conv2d({.in_channels = 2, .out_channels = 3}, init));
  net.add("norm", nn::BatchNorm2d({.channels = 3}));
  return net;
}

/// One of each layer.
std::vector<LayerCase> all_layers(std::uint64_t seed) {
  nn::Init init(seed);
  const nn::ConvOptions conv{.in_channels = 2, .out_channels = 3, .kernel = 3, .stride = 2};
  nn::ConvOptions without_bias = conv;
  without_bias.bias = false;
  const Shape images{2, 4, 4, 2};
  return {
      {"dense", share(nn::Dense({.in = 4, .out = 3}, init)), {2, 4}},
      {"dense, no bias", share(nn::Dense({.in = 4, .out = 3, .bias = false}, init)), {2, 4}},
      {"conv", share(nn::Conv2d(conv, init)), images},
      {"conv, no bias", share(nn::Conv2d(without_bias, init)), images},
      {"transposed conv", share(nn::ConvTranspose2d(conv, init)), images},
      {"transposed conv, no bias", share(nn::ConvTranspose2d(without_bias, init)), images},
      {"batch norm", share(nn::BatchNorm2d({.channels = 2})), images},
      {"block", share(nn::ConvBlock({.conv = conv}, init)), images},
      {"transposed block", share(nn::ConvBlock({.conv = conv, .transposed = true}, init)), images},
      {"SELU block", share(nn::ConvBlock({.conv = conv, .activation = Activation::selu}, init)),
       images},
      {"leaky ReLU", share(nn::LeakyRelu(0.1)), images},
      {"ReLU", share(nn::Relu()), images},
      {"tanh", share(nn::Tanh()), images},
      {"sigmoid", share(nn::Sigmoid()), images},
      {"SELU", share(nn::Selu()), images},
      {"flatten", share(nn::Flatten()), images},
      {"reshape", share(nn::Reshape(2, 2, 8)), images},
      {"up-sampling", share(nn::Upsample2d()), images},
      {"average pooling", share(nn::AvgPool2d()), images},
      {"sequential", share(small_net(init)), images},
  };
}

/// A copy, or what is left of the original after a move, of any kind of layer.
template <class Layer>
std::shared_ptr<nn::Module> copy_if(const nn::Module& module) {
  const auto* layer = dynamic_cast<const Layer*>(&module);
  return layer ? std::make_shared<Layer>(*layer) : nullptr;
}
template <class Layer>
std::shared_ptr<nn::Module> move_if(nn::Module& module) {
  auto* layer = dynamic_cast<Layer*>(&module);
  return layer ? std::make_shared<Layer>(std::move(*layer)) : nullptr;
}

template <class... Layers>
struct Kinds {
  static std::shared_ptr<nn::Module> copy(const nn::Module& module) {
    std::shared_ptr<nn::Module> result;
    ((result = result ? result : copy_if<Layers>(module)), ...);
    return result;
  }
  static std::shared_ptr<nn::Module> move(nn::Module& module) {
    std::shared_ptr<nn::Module> result;
    ((result = result ? result : move_if<Layers>(module)), ...);
    return result;
  }
};
using AllKinds = Kinds<nn::Dense, nn::Conv2d, nn::ConvTranspose2d, nn::BatchNorm2d, nn::ConvBlock,
                       nn::LeakyRelu, nn::Relu, nn::Tanh, nn::Sigmoid, nn::Selu, nn::Flatten,
                       nn::Reshape, nn::Upsample2d, nn::AvgPool2d, nn::Sequential>;

}  // namespace

TEST_CASE("every layer is its op", "[layers]") {
  nn::Init init(1);
  const Tensor images = random_tensor({2, 6, 5, 3});
  const nn::ConvOptions conv{.in_channels = 3, .out_channels = 4, .kernel = 3, .stride = 2};
  const Conv2dOptions stride2 = Conv2dOptions::same(2);

  nn::Dense dense_layer({.in = 5, .out = 3}, init);
  scramble(dense_layer, 10);
  check_is_op(dense_layer, random_tensor({4, 5}), [](const Tensor& x, const nn::StateDict& s) {
    return dense(x, s.at("weight"), s.at("bias"));
  });
  nn::Conv2d conv_layer(conv, init);
  scramble(conv_layer, 20);
  check_is_op(conv_layer, images, [&](const Tensor& x, const nn::StateDict& s) {
    return conv2d(x, s.at("weight"), s.at("bias"), stride2);
  });
  nn::ConvTranspose2d transposed(conv, init);
  scramble(transposed, 30);
  check_is_op(transposed, images, [&](const Tensor& x, const nn::StateDict& s) {
    return conv_transpose2d(x, s.at("weight"), s.at("bias"), stride2);
  });
  nn::ConvOptions explicit_padding = conv;
  explicit_padding.padding = Padding{0, 1, 2, 0};
  explicit_padding.bias = false;
  nn::Conv2d padded(explicit_padding, init);
  check_is_op(padded, images, [&](const Tensor& x, const nn::StateDict& s) {
    return conv2d(x, s.at("weight"), Tensor(),
                  {.stride_h = 2, .stride_w = 2, .padding = Padding{.bottom = 1, .left = 2}});
  });
  nn::BatchNorm2d norm({.channels = 3, .slope = 0.3});
  scramble(norm, 40);
  check_is_op(norm, images, [](const Tensor& x, const nn::StateDict& s) {
    return batch_norm(x, s.at("gamma"), s.at("beta"), {.epsilon = 1.001e-5, .slope = 0.3}).y;
  });
  norm.eval();
  check_is_op(norm, images, [](const Tensor& x, const nn::StateDict& s) {
    return batch_norm_inference(x, s.at("gamma"), s.at("beta"), s.at("moving_mean"),
                                s.at("moving_variance"), {.epsilon = 1.001e-5, .slope = 0.3});
  });

  const auto is_function = [&](nn::Module&& layer, Tensor (*op)(const Tensor&)) {
    check_is_op(layer, images, [&](const Tensor& x, const nn::StateDict&) { return op(x); });
  };
  is_function(nn::Relu(), relu);
  is_function(nn::Tanh(), tanh);
  is_function(nn::Sigmoid(), sigmoid);
  is_function(nn::Selu(), selu);
  is_function(nn::Flatten(), flatten);
  is_function(nn::LeakyRelu(), [](const Tensor& x) { return leaky_relu(x, 0.2); });
  is_function(nn::LeakyRelu(0.01), [](const Tensor& x) { return leaky_relu(x, 0.01); });
  is_function(nn::Reshape(3, 15, 2), [](const Tensor& x) { return reshape(x, {2, 3, 15, 2}); });
  is_function(nn::Upsample2d(), [](const Tensor& x) { return upsample2d(x, {2, 2}); });
  is_function(nn::Upsample2d({1, 3}), [](const Tensor& x) { return upsample2d(x, {1, 3}); });
  is_function(nn::AvgPool2d({3, 5}), [](const Tensor& x) { return avg_pool2d(x, {3, 5}); });
}

TEST_CASE("a conv block is convolution, then normalisation, then activation", "[layers]") {
  const Tensor x = random_tensor({2, 5, 4, 3});
  for (const bool is_transposed : {false, true})
    for (const Activation activation :
         {Activation::batch_norm_leaky_relu, Activation::leaky_relu, Activation::selu})
      for (const bool training : {true, false}) {
        INFO("transposed " << is_transposed << ", activation " << static_cast<int>(activation)
                           << ", training " << training);
        nn::Init init(1);
        nn::ConvBlock block({.conv = {.in_channels = 3, .out_channels = 4, .stride = 2},
                             .transposed = is_transposed,
                             .activation = activation,
                             .slope = 0.3},
                            init);
        scramble(block, 10);
        block.train(training);
        const BatchNormOptions norm{.epsilon = 1.001e-5, .slope = 1.0};
        check_is_op(block, x, [&](const Tensor& in, const nn::StateDict& s) {
          const Tensor &weight = s.at("conv.weight"), &bias = s.at("conv.bias");
          const Tensor y = is_transposed
                               ? conv_transpose2d(in, weight, bias, Conv2dOptions::same(2))
                               : conv2d(in, weight, bias, Conv2dOptions::same(2));
          if (activation == Activation::selu) return selu(y);
          if (activation == Activation::leaky_relu) return leaky_relu(y, 0.3);
          BatchNormOptions fused = norm;
          fused.slope = 0.3;
          const Tensor &gamma = s.at("norm.gamma"), &beta = s.at("norm.beta");
          if (training) return batch_norm(y, gamma, beta, fused).y;
          return batch_norm_inference(y, gamma, beta, s.at("norm.moving_mean"),
                                      s.at("norm.moving_variance"), fused);
        });
      }
}

TEST_CASE("a fused batch norm and leaky ReLU equals the two one after the other", "[layers]") {
  const Tensor x = random_tensor({3, 4, 4, 5}, Dtype::float32, 3);
  nn::BatchNorm2d fused({.channels = 5, .slope = 0.2}), plain({.channels = 5});
  scramble(fused, 50);
  plain.load_state_dict(fused.state_dict());
  for (const bool training : {true, false}) {
    fused.train(training);
    plain.train(training);
    INFO("training " << training);
    const Tensor x1 = x.clone().set_requires_grad(), x2 = x.clone().set_requires_grad();
    const Tensor y1 = fused(x1), y2 = leaky_relu(plain(x2), 0.2);
    const Tolerance rounding = elementwise_tolerance(Dtype::float32);
    CHECK(mismatch(y1, to_array(y2), rounding) == "");
    const Tensor dy = random_tensor(y1.shape(), Dtype::float32, 9);
    sum(y1 * dy).backward();
    sum(y2 * dy).backward();
    CHECK(mismatch(x1.grad(), to_array(x2.grad()), rounding) == "");
  }
}

TEST_CASE("batch norm's moving statistics follow TensorFlow's rule", "[layers][batch_norm]") {
  const std::int64_t rows = 3 * 2 * 2;
  const int updates = GENERATE(0, 1, 2);
  INFO(updates << " updates per forward");
  nn::BatchNorm2d norm({.channels = 2, .updates_per_forward = updates});
  double moving_mean[2] = {0.0, 0.0}, moving_variance[2] = {1.0, 1.0};
  for (std::uint64_t step = 0; step < 5; ++step) {
    const Tensor x = random_tensor({3, 2, 2, 2}, Dtype::float32, step, -1.0f, 3.0f);
    norm(x);
    const Array values = to_array(x);
    for (std::int64_t c = 0; c < 2; ++c) {
      double mean = 0.0, squares = 0.0;
      for (std::int64_t r = 0; r < rows; ++r)
        mean += values[2 * r + c] / static_cast<double>(rows);
      for (std::int64_t r = 0; r < rows; ++r)
        squares += std::pow(values[2 * r + c] - mean, 2.0);
      const double unbiased = squares / static_cast<double>(rows - 1);
      for (int i = 0; i < updates; ++i) {
        moving_mean[c] = 0.99 * moving_mean[c] + 0.01 * mean;
        moving_variance[c] = 0.99 * moving_variance[c] + 0.01 * unbiased;
      }
    }
  }
  const auto state = norm.state_dict();
  for (std::int64_t c = 0; c < 2; ++c) {
    // Ten updates in float32, each rounded twice: at most 20 * 2^-24 relative.
    CHECK(element(state.at("moving_mean"), c) == Approx(moving_mean[c]).epsilon(1.2e-6));
    CHECK(element(state.at("moving_variance"), c) == Approx(moving_variance[c]).epsilon(1.2e-6));
  }
}

TEST_CASE("batch norm uses the batch in training and moving statistics in evaluation",
          "[layers][batch_norm]") {
  const Tensor x = random_tensor({2, 3, 3, 4}, Dtype::float32, 1, 2.0f, 5.0f);
  nn::BatchNorm2d norm({.channels = 4});
  // Moving mean 0 and variance 1 make evaluation the identity but for epsilon.
  norm.eval();
  CHECK(mismatch(norm(x), to_array(x), {0.0, 1e-5}) == "");
  norm.train();
  const Tensor normalised = norm(x);
  CHECK(mean(normalised).item() == Approx(0.0).margin(1e-6));
  CHECK(mean(square(normalised)).item() == Approx(1.0).epsilon(1e-4));
}

TEST_CASE("batch norm can keep to the batch's statistics in evaluation mode",
          "[layers][batch_norm]") {
  const Tensor x = random_tensor({2, 3, 3, 4}, Dtype::float32, 1, 2.0f, 5.0f);
  nn::BatchNorm2d norm({.channels = 4, .always_batch_statistics = true});
  const Tensor trained = norm(x);
  const Tensor moved = norm.state_dict().at("moving_mean").clone();
  norm.eval();
  CHECK(same_bits(norm(x), trained));
  CHECK(same_bits(norm.state_dict().at("moving_mean"), moved));
}

TEST_CASE("moving statistics stay finite for one row and for an empty batch",
          "[layers][batch_norm]") {
  nn::BatchNorm2d norm({.channels = 3});
  norm(random_tensor({1, 1, 1, 3}));
  CHECK(mismatch(norm.state_dict().at("moving_variance"), Array({3}, 0.99), {0.0, 1e-6}) == "");
  const Tensor mean = norm.state_dict().at("moving_mean").clone();
  CHECK(norm(Tensor::zeros({0, 4, 4, 3})).shape() == Shape{0, 4, 4, 3});
  CHECK(same_bits(norm.state_dict().at("moving_mean"), mean));
}

TEST_CASE("copies of a layer share its parameters and give equal results", "[layers]") {
  for (const LayerCase& c : all_layers(1)) {
    INFO(c.name);
    const std::shared_ptr<nn::Module> copy = AllKinds::copy(*c.layer);
    REQUIRE(copy);
    const Tensor x = random_tensor(c.input);
    CHECK(same_bits((*copy)(x), (*c.layer)(x)));
    scramble(*copy, 70);
    CHECK(same_bits((*copy)(x), (*c.layer)(x)));
    const auto ours = c.layer->state_dict(), theirs = copy->state_dict();
    REQUIRE(ours.size() == theirs.size());
    for (const auto& [name, tensor] : ours)
      CHECK(theirs.at(name).storage() == tensor.storage());
  }
}

TEST_CASE("gradients that a copy collects are those of the original", "[layers]") {
  nn::Init init(1);
  nn::Dense original({.in = 3, .out = 2}, init);
  nn::Dense copy = original;
  sum(copy(random_tensor({2, 3}))).backward();
  CHECK(original.parameters()[0].second.grad().defined());
}

TEST_CASE("a moved layer works as before", "[layers]") {
  for (const LayerCase& c : all_layers(1)) {
    INFO(c.name);
    c.layer->eval();
    const Tensor x = random_tensor(c.input), before = (*c.layer)(x);
    const std::shared_ptr<nn::Module> moved = AllKinds::move(*c.layer);
    REQUIRE(moved);
    CHECK(same_bits((*moved)(x), before));
    CHECK_FALSE(moved->training());
  }
}

TEST_CASE("every layer comes back from a safetensors file", "[layers]") {
  const file_fixtures::Folder folder;
  const std::vector<LayerCase> saved = all_layers(1), loaded = all_layers(2);
  for (std::size_t i = 0; i < saved.size(); ++i) {
    INFO(saved[i].name);
    nn::Module &a = *saved[i].layer, &b = *loaded[i].layer;
    scramble(a, 60);
    save_safetensors(folder / "layer.safetensors", {.tensors = a.state_dict()});
    b.load_state_dict(load_safetensors(folder / "layer.safetensors").tensors);
    a.eval();
    b.eval();
    const Tensor x = random_tensor(saved[i].input);
    CHECK(same_bits(a(x), b(x)));
  }
}

TEST_CASE("layers take bfloat16 images and keep float32 parameters", "[layers][bfloat16]") {
  if (default_device() == Device::cpu() && !kernels::cpu::has_native_bfloat16())
    SKIP("this CPU has no bfloat16 arithmetic");
  for (const LayerCase& c : all_layers(1)) {
    INFO(c.name);
    const Tensor x = random_tensor(c.input, Dtype::bfloat16).set_requires_grad();
    const Tensor y = (*c.layer)(x);
    CHECK(y.dtype() == Dtype::bfloat16);
    sum(square(y)).backward();
    for (const auto& [name, tensor] : c.layer->parameters()) {
      CHECK(tensor.dtype() == Dtype::float32);
      CHECK(tensor.grad().dtype() == Dtype::float32);
    }
  }
}

TEST_CASE("layers take empty batches", "[layers]") {
  for (const LayerCase& c : all_layers(1)) {
    INFO(c.name);
    CHECK((*c.layer)(Tensor::zeros(c.input.with(0, 0))).dim(0) == 0);
  }
}

TEST_CASE("layers refuse options that make no sense", "[layers][errors]") {
  nn::Init init(1);
  const nn::ConvOptions good{.in_channels = 2, .out_channels = 3};
  CHECK(message_of([&] { nn::Conv2d({}, init); }) ==
        "Conv2d 0 -> 0, 5x5 / 1: channels, kernel and stride must be positive");
  const auto conv_throws = [&](auto change) {
    nn::ConvOptions options = good;
    change(options);
    CHECK_THROWS_AS(nn::Conv2d(options, init), Error);
    CHECK_THROWS_AS(nn::ConvTranspose2d(options, init), Error);
    CHECK_THROWS_AS(nn::ConvBlock({.conv = options}, init), Error);
  };
  conv_throws([](nn::ConvOptions& o) { o.in_channels = 0; });
  conv_throws([](nn::ConvOptions& o) { o.out_channels = -1; });
  conv_throws([](nn::ConvOptions& o) { o.kernel = 0; });
  conv_throws([](nn::ConvOptions& o) { o.kernel = -5; });
  conv_throws([](nn::ConvOptions& o) { o.stride = 0; });
  conv_throws([](nn::ConvOptions& o) { o.init_stddev = -0.02f; });
  conv_throws([](nn::ConvOptions& o) { o.init_stddev = std::nanf(""); });
  conv_throws([](nn::ConvOptions& o) { o.in_channels = std::int64_t{1} << 62; });

  CHECK(message_of([&] { nn::Dense({.in = 5}, init); }) ==
        "Dense 5 -> 0: both sizes must be positive");
  CHECK_THROWS_AS(nn::Dense({.in = -1, .out = 2}, init), Error);

  CHECK(message_of([] { nn::BatchNorm2d({}); }) == "BatchNorm2d: channels 0 must be positive");
  CHECK_THROWS_AS(nn::BatchNorm2d({.channels = 2, .epsilon = -1e-5}), Error);
  CHECK_THROWS_AS(nn::BatchNorm2d({.channels = 2, .epsilon = kNaN}), Error);
  CHECK_THROWS_AS(nn::BatchNorm2d({.channels = 2, .momentum = 1.5}), Error);
  CHECK_THROWS_AS(nn::BatchNorm2d({.channels = 2, .slope = -0.2}), Error);
  CHECK_THROWS_AS(nn::BatchNorm2d({.channels = 2, .updates_per_forward = -1}), Error);
  CHECK_NOTHROW(nn::BatchNorm2d({.channels = 2, .epsilon = 0.0, .momentum = 1.0}));
}

TEST_CASE("a convolution shows the padding that it was given", "[layers]") {
  nn::Init init(1);
  nn::ConvOptions options{.in_channels = 2, .out_channels = 3, .kernel = 3};
  CHECK(nn::Conv2d(options, init).describe() == "Conv2d 2 -> 3, 3x3 / 1");
  options.padding = Padding{1};
  CHECK(nn::Conv2d(options, init).describe() == "Conv2d 2 -> 3, 3x3 / 1, padding 1");
  options.padding = Padding{.bottom = 1};
  options.bias = false;
  CHECK(nn::ConvTranspose2d(options, init).describe() ==
        "ConvTranspose2d 2 -> 3, 3x3 / 1, padding 0,1,0,0, no bias");
  CHECK(nn::ConvBlock({.conv = options}, init).describe() ==
        "ConvBlock 2 -> 3, 3x3 / 1, padding 0,1,0,0, no bias");
}

TEST_CASE("a conv block refuses a batch norm for other channels or of another slope",
          "[layers][errors]") {
  nn::Init init(1);
  const nn::ConvOptions conv{.in_channels = 2, .out_channels = 3};
  CHECK(message_of([&] { nn::ConvBlock({.conv = conv, .batch_norm = {.channels = 7}}, init); }) ==
        "ConvBlock 2 -> 3, 5x5 / 1: batch_norm.channels is 7, the convolution gives 3; leave "
        "batch_norm.channels out");
  CHECK(message_of([&] {
          nn::ConvBlock({.conv = conv, .slope = 0.2, .batch_norm = {.slope = 0.1}}, init);
        }).find("batch_norm.slope is 0.1, slope is 0.2") != std::string::npos);
  CHECK_NOTHROW(nn::ConvBlock(
      {.conv = conv, .slope = 0.1, .batch_norm = {.channels = 3, .slope = 0.1}}, init));
}

TEST_CASE("layers refuse input that does not fit", "[layers][errors]") {
  for (const LayerCase& c : all_layers(1)) {
    INFO(c.name);
    if (!c.layer->parameters().empty()) {
      const std::int64_t channels = c.input[-1];
      CHECK_THROWS_AS((*c.layer)(Tensor::zeros(c.input.with(-1, channels + 1))), nn::LayerError);
      CHECK_THROWS_AS((*c.layer)(Tensor::zeros({channels})), nn::LayerError);
      CHECK_THROWS_AS((*c.layer)(Tensor::zeros(c.input, Dtype::int32)), nn::LayerError);
    }
    CHECK_THROWS_AS((*c.layer)(Tensor()), Error);
  }
  nn::Reshape reshape(4, 4, 3);
  CHECK(message_of([&] {
          reshape(Tensor::zeros({2, 10}));
        }) == "(Reshape 4x4x3): reshape: [2,10] has 20 elements, [2,4,4,3] has 96");
  CHECK_THROWS_AS(reshape(Tensor::zeros({})), nn::LayerError);
}

}  // namespace whisker::testing
