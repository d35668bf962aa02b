// Replays tests/golden/ops.*: what PyTorch computed in float64, see golden/make_golden.py.
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include <whisker/core/ops.h>
#include <whisker/core/safetensors.h>
#include <whisker/layers/nn.h>
#include <whisker/optim/adam.h>
#include <whisker/optim/rmsprop.h>
#include <whisker/optim/sgd.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

using Json = nlohmann::json;

Conv2dOptions conv_options(const Json& attributes) {
  Conv2dOptions options{.stride_h = attributes.at("stride_h"),
                        .stride_w = attributes.at("stride_w")};
  // SAME is left to us to compute.
  if (attributes.at("padding") != "same")
    options.padding = Padding{attributes.at("pad_top"), attributes.at("pad_bottom"),
                              attributes.at("pad_left"), attributes.at("pad_right")};
  return options;
}

Tensor run_conv(const std::string& op, const Json& a, const Tensors& in) {
  const Conv2dOptions options = conv_options(a);
  if (op == "conv2d") return conv2d(in[0], in[1], in[2], options);
  if (op == "conv2d_weight_grad") {
    const Shape weight{in[1].dim(3), a.at("kernel_h"), a.at("kernel_w"), in[0].dim(3)};
    return conv2d_weight_grad(in[0], in[1], weight, options);
  }
  const std::int64_t height = a.at("out_h"), width = a.at("out_w");
  if (op == "conv2d_input_grad")
    return conv2d_input_grad(in[0], in[1], {in[0].dim(0), height, width, in[1].dim(3)}, options);
  const Shape natural = {in[0].dim(0), height, width, in[1].dim(3)};
  const Tensor y = conv_transpose2d(in[0], in[1], in[2], options);
  if (y.shape() == natural) return y;
  // A size that conv_transpose2d does not produce by itself, such as an odd one.
  return conv2d_input_grad(in[0], in[1], natural, options) + in[2];
}

Tensor run_batch_norm(const Json& a, const Tensors& in) {
  const BatchNormOptions options{.epsilon = a.at("effective_epsilon")};
  if (a.at("training")) return batch_norm(in[0], in[1], in[2], options).y;
  return batch_norm_inference(in[0], in[1], in[2], in[3].detach(), in[4].detach(), options);
}

Tensor run_loss(const std::string& op, const Json& a, const Tensors& in) {
  const Tensor& x = in[0];
  if (op == "mse_loss") return mean(square(x - in[1]));
  if (op == "least_squares_loss") return 2.0 * nn::least_squares(x, a.at("target"));
  // The other side of a discriminator's loss is given scores that cost nothing.
  const std::string role = a.at("role");
  if (role == "generator") return nn::negative_mean(x);
  const bool hinge = op == "hinge_loss";
  const auto loss = hinge ? nn::hinge_discriminator : nn::wasserstein_critic;
  const double free = !hinge ? 0.0 : role == "real" ? -2.0 : 2.0;
  const Tensor other = Tensor::full(x.shape(), free);
  return role == "real" ? loss(x, other) : loss(other, x);
}

std::unique_ptr<optim::Optimizer> make_optimizer(const std::string& name, const Json& a,
                                                 const std::vector<nn::NamedTensor>& parameters) {
  const double rate = a.at("lr");
  const bool tensorflow = a.value("convention", "") == "tensorflow";
  if (name == "adam")
    return std::make_unique<optim::Adam>(
        parameters,
        optim::AdamOptions{.learning_rate = rate,
                           .beta1 = a.at("beta1"),
                           .beta2 = a.at("beta2"),
                           .epsilon = a.at("epsilon"),
                           .epsilon_placement = tensorflow ? optim::AdamEpsilon::tensorflow
                                                           : optim::AdamEpsilon::pytorch});
  if (name == "sgd")
    return std::make_unique<optim::Sgd>(
        parameters,
        optim::SgdOptions{
            .learning_rate = rate, .momentum = a.at("momentum"), .nesterov = a.at("nesterov")});
  return std::make_unique<optim::RmsProp>(parameters,
                                          optim::RmsPropOptions{.learning_rate = rate,
                                                                .decay = a.at("decay"),
                                                                .epsilon = a.at("epsilon"),
                                                                .epsilon_inside_root = tensorflow});
}

Tensor run_op(const std::string& op, const Json& a, const Tensors& in) {
  if (op.starts_with("conv")) return run_conv(op, a, in);
  if (op == "matmul")
    return matmul(in[0], in[1],
                  {.transpose_a = a.at("transpose_a"), .transpose_b = a.at("transpose_b")});
  if (op == "dense") return dense(in[0], in[1], in[2]);
  if (op == "batch_norm") return run_batch_norm(a, in);
  if (op == "leaky_relu") return leaky_relu(in[0], a.at("negative_slope"));
  if (op == "scale") return scale(in[0], a.at("factor"));
  if (op == "sum") return sum(in[0], a.at("axes"), a.at("keepdims"));
  if (op == "mean") return mean(in[0], a.at("axes"), a.at("keepdims"));
  if (op == "reshape") {
    const std::vector<std::int64_t> dims = a.at("shape");
    return reshape(in[0], Shape(dims));
  }
  if (op == "concat") return concat(in, a.at("axis"));
  if (op == "upsample2d") return upsample2d(in[0], {a.at("block_h"), a.at("block_w")});
  if (op == "avg_pool2d") return avg_pool2d(in[0], {a.at("block_h"), a.at("block_w")});
  if (op == "slice") return slice(in[0], a.at("begin"), a.at("end"));
  if (op == "sigmoid_cross_entropy") {
    const Tensor loss = sigmoid_cross_entropy_with_logits(in[0], in[1]);
    return a.at("reduction") == "mean" ? mean(loss) : loss;
  }
  if (op.ends_with("_loss")) return run_loss(op, a, in);
  if (op == "cast") return cast(cast(in[0], Dtype::bfloat16), Dtype::float32);
  const std::map<std::string, Tensor (*)(const Tensor&)> unary{
      {"relu", relu},     {"tanh", tanh}, {"sigmoid", sigmoid}, {"selu", selu}, {"sqrt", sqrt},
      {"square", square}, {"abs", abs},   {"exp", exp},         {"log", log}};
  if (const auto found = unary.find(op); found != unary.end()) return found->second(in[0]);
  const std::map<std::string, Tensor (*)(const Tensor&, const Tensor&)> binary{
      {"add", add}, {"sub", sub}, {"mul", mul}, {"div", div}};
  if (const auto found = binary.find(op); found != binary.end()) return found->second(in[0], in[1]);
  return Tensor();
}

const std::set<std::string> kOptimizers{"adam", "sgd", "rmsprop"};

class Golden {
 public:
  Golden() {
    const std::filesystem::path folder = std::filesystem::path(WHISKER_SOURCE_DIR) / "tests/golden";
    manifest_ = Json::parse(std::ifstream(folder / "ops.json"));
    tensors_ = load_safetensors(folder / manifest_.at("tensors").get<std::string>()).tensors;
  }

  const Json& cases() const { return manifest_.at("cases"); }
  /// Files are read to the CPU; the ops are to run where the test's other tensors live.
  Tensor tensor(const Json& name) const {
    return tensors_.at(name.get<std::string>()).to(default_device());
  }

  /// Compares the result, and the gradients that it induces, with the file's.
  void replay(const Json& c) const {
    const std::string op = c.at("op");
    const Json& attributes = c.at("attributes");
    Tensors inputs;
    for (std::size_t i = 0; i < c.at("inputs").size(); ++i) {
      inputs.push_back(tensor(c.at("inputs")[i]).clone());
      if (!c.at("grads")[i].is_null()) inputs.back().set_requires_grad();
    }
    const Tensor y = run_op(op, attributes, inputs);
    REQUIRE(y.defined());
    auto peer_error = c.at("f32_error").begin();
    check(y, c.at("outputs")[0], *peer_error);
    peer_error += static_cast<std::ptrdiff_t>(c.at("outputs").size());

    const Tensor dy = tensor(c.at("output_grads")[0]).view(y.shape());
    sum(y * dy).backward();
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i].requires_grad()) check(inputs[i].grad(), c.at("grads")[i], *peer_error++);
  }

  /// Compares the parameter after every step, and the state after the last.
  void replay_optimizer(const Json& c) const {
    const std::map<std::string, std::string> slots{
        {"m", "m"}, {"v", "v"}, {"velocity", "velocity"}, {"mean_square", "square"}};
    const Tensor parameter = tensor(c.at("inputs")[0]).clone().set_requires_grad();
    const Tensor gradients = tensor(c.at("inputs")[1]);
    const auto optimizer = make_optimizer(c.at("op"), c.at("attributes"), {{"p", parameter}});
    nn::StateDict state = optimizer->state_dict();
    for (std::size_t i = 2; i < c.at("inputs").size(); ++i) {
      const auto slot = state.find(slots.at(role_of(c.at("inputs")[i])) + ".p");
      if (slot != state.end()) slot->second = tensor(c.at("inputs")[i]);
    }
    optimizer->load_state_dict(state);

    auto peer_error = c.at("f32_error").begin();
    const Tensor expected = tensor(c.at("outputs")[0]);
    for (std::int64_t t = 0; t < gradients.dim(0); ++t) {
      INFO("step " << t + 1);
      const auto row = [&](const Tensor& of) { return of.view_rows(t, t + 1).view({of.dim(1)}); };
      Tensor(parameter).set_grad(row(gradients).clone());
      optimizer->step();
      check(parameter, to_array(row(expected)), *peer_error);
    }
    state = optimizer->state_dict();
    for (std::size_t i = 1; i < c.at("outputs").size(); ++i) {
      const std::string role = role_of(c.at("outputs")[i]).substr(std::string("new_").size());
      const auto slot = state.find(slots.at(role) + ".p");
      INFO(role);
      ++peer_error;
      if (slot != state.end()) check(slot->second, c.at("outputs")[i], *peer_error);
    }
  }

 private:
  static std::string role_of(const Json& name) {
    const std::string text = name.get<std::string>();
    return text.substr(text.rfind('/') + 1);
  }

  /// The error allowed is four times that of PyTorch's own float32, and never less than four units
  /// in the last place of the largest element: what another order of the same sums can make.
  void check(const Tensor& actual, const Json& name, double peer_error) const {
    // The file's writer has no scalars: they are [1] there.
    INFO(name);
    check(actual,
          to_array(tensor(name).numel() == 1 ? tensor(name).view(actual.shape()) : tensor(name)),
          peer_error);
  }
  static void check(const Tensor& actual, const Array& expected, double peer_error) {
    double largest = 0.0;
    for (const double value : expected.values)
      largest = std::max(largest, std::abs(value));
    CHECK(mismatch(actual, expected, {4.0 * std::max(peer_error, 0x1p-23) * largest, 0.0}) == "");
  }

  Json manifest_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace

TEST_CASE("ops, losses and their gradients equal PyTorch's", "[golden]") {
  const Golden golden;
  std::map<std::string, int> replayed;
  for (const Json& c : golden.cases()) {
    const std::string op = c.at("op");
    if (kOptimizers.contains(op)) continue;
    INFO(c.at("name"));
    golden.replay(c);
    ++replayed[op];
  }
  CHECK(replayed.size() == 35);
  CHECK(replayed["conv2d"] >= 18);
}

TEST_CASE("optimizers equal PyTorch's and TensorFlow's step by step", "[golden][optim]") {
  const Golden golden;
  int replayed = 0;
  for (const Json& c : golden.cases()) {
    if (!kOptimizers.contains(c.at("op"))) continue;
    // Our RMSprop has no momentum.
    if (c.at("op") == "rmsprop" && c.at("attributes").at("momentum") != 0.0) continue;
    INFO(c.at("name"));
    golden.replay_optimizer(c);
    ++replayed;
  }
  CHECK(replayed == 9);
}

}  // namespace whisker::testing
