#include <whisker/core/backend.h>
#include <whisker/core/graph.h>
#include <whisker/core/ops.h>
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

using file_fixtures::ContainsSubstring;

bool has_gpu() {
  return default_device() != Device::cpu();
}

/// A net and what trains it, twice the same.
struct Training {
  nn::Init init{1};
  nn::ConvBlock net{{.conv = {.in_channels = 2, .out_channels = 3, .kernel = 3}}, init};
  optim::Ema ema{net, 0.99};
  Tensor x = Tensor::zeros({2, 4, 4, 2});

  template <class Optimizer>
  void prepare(Optimizer& optimizer, std::uint64_t step) {
    x.copy_from(random_tensor(x.shape(), Dtype::float32, step));
    optimizer.set_learning_rate(0.01 * static_cast<double>(step % 3));
    optimizer.prepare_step();
    ema.prepare_update();
  }
  template <class Optimizer>
  void run(Optimizer& optimizer) {
    mean(square(net(x) - 0.5)).backward();
    optimizer.apply_step();
    optimizer.zero_grad();
    ema.apply_update(net);
  }
  template <class Optimizer>
  void count(Optimizer& optimizer) {
    optimizer.count_step();
    ema.count_update();
  }
  template <class Optimizer>
  nn::StateDict state(Optimizer& optimizer) {
    nn::StateDict state = net.state_dict();
    for (const auto& [name, tensor] : ema.state_dict())
      state["ema." + name] = tensor;
    for (const auto& [name, tensor] : optimizer.state_dict())
      state[name] = tensor;
    return state;
  }
};

/// Eight steps, replayed and not, with other rates of learning in each.
template <class Optimizer, class Options>
void check_replays(const Options& options) {
  Training eager, recorded;
  Optimizer eagerly(eager.net.parameters(), options), replayed(recorded.net.parameters(), options);
  replayed.keep_numbers_on_device();
  recorded.ema.keep_numbers_on_device();
  std::optional<Graph> graph;
  for (std::uint64_t step = 1; step <= 8; ++step) {
    INFO("step " << step);
    eager.prepare(eagerly, step);
    eager.run(eagerly);
    eager.count(eagerly);

    recorded.prepare(replayed, step);
    if (step == 3) {
      std::vector<Tensor> written;
      for (const auto& [name, tensor] : recorded.state(replayed))
        written.push_back(tensor);
      graph.emplace(default_device(), written, [&] { recorded.run(replayed); });
    }
    const std::uint64_t before = kernels::cuda::activity.launches;
    if (graph) {
      graph->replay();
      CHECK(kernels::cuda::activity.launches == before);
    } else {
      recorded.run(replayed);
    }
    recorded.count(replayed);
    // Whoever takes memory now must not get what the graph works in.
    const Tensor intruder = Tensor::full({1000}, 9.0);
    const nn::StateDict expected = eager.state(eagerly);
    for (const auto& [name, tensor] : recorded.state(replayed)) {
      INFO(name);
      CHECK(same_bits(tensor, expected.at(name)));
    }
  }
}

}  // namespace

TEST_CASE("the CPU records no graphs", "[graph]") {
  CHECK_THAT(message_of([] { Graph(Device::cpu(), {}, [] {}); }),
             ContainsSubstring("graph: cpu is no GPU"));
}

TEST_CASE("a graph reads and writes tensors from before it again and again", "[graph]") {
  if (!has_gpu()) SKIP("there is no GPU");
  Tensor x = Tensor::full({1000}, 1.0), y = Tensor::zeros({1000});
  Graph graph(default_device(), {y}, [&] {
    const Tensor twice = x + x;
    y.copy_from(twice + 1.0);
  });
  CHECK(same_bits(y, Tensor::zeros({1000})));
  for (const double value : {1.0, 2.0, 3.0}) {
    x.copy_from(Tensor::full({1000}, value));
    graph.replay();
    std::vector<Tensor> others;  // would be written over, or write over the graph's own
    for (int i = 0; i < 4; ++i)
      others.push_back(Tensor::full({1000}, -1.0));
    graph.replay();
    CHECK(same_bits(y, Tensor::full({1000}, 2.0 * value + 1.0)));
    for (const Tensor& other : others)
      CHECK(same_bits(other, Tensor::full({1000}, -1.0)));
  }
}

TEST_CASE("a tensor made in a graph outlives it", "[graph]") {
  if (!has_gpu()) SKIP("there is no GPU");
  const Tensor x = Tensor::full({1000}, 1.0);
  Tensor made;
  {
    Graph graph(default_device(), {}, [&] { made = x + x; });
    graph.replay();
  }
  const Tensor other = Tensor::full({1000}, -1.0);
  CHECK(same_bits(made, Tensor::full({1000}, 2.0)));
}

TEST_CASE("a copy to or from the host cannot be recorded, and the device is well after it",
          "[graph][errors]") {
  if (!has_gpu()) SKIP("there is no GPU");
  const Tensor x = Tensor::full({1}, 1.0);
  const auto complaint = [&](const std::function<void()>& body) {
    return message_of([&] { Graph(default_device(), {}, body); });
  };
  const std::string expected = "graph: a copy between host and GPU cannot be recorded";
  CHECK_THAT(complaint([&] { (x + x).item(); }), ContainsSubstring(expected));
  CHECK_THAT(complaint([&] { Tensor::from<float>({1.0f}, {1}); }), ContainsSubstring(expected));
  CHECK((x + x).item() == 2.0);
}

TEST_CASE("a graph is spoiled by another writer, whom it might contradict", "[graph][errors]") {
  if (!has_gpu()) SKIP("there is no GPU");
  for (const int spoiled : {0, 1}) {
    CAPTURE(spoiled);
    Tensor x = Tensor::full({4}, 1.0);
    Tensor ys[] = {Tensor::zeros({4}), Tensor::zeros({4})};
    Graph graph(default_device(), {ys[0], ys[1]}, [&] {
      for (Tensor& y : ys)
        y.copy_from(x + y);
    });
    graph.replay();
    x.copy_from(Tensor::full({4}, 2.0));
    graph.replay();
    CHECK(graph.valid());
    for (const Tensor& y : ys)
      CHECK(same_bits(y, Tensor::full({4}, 3.0)));
    ys[spoiled].copy_from(x);
    CHECK_FALSE(graph.valid());
    CHECK_THAT(message_of([&] { graph.replay(); }), ContainsSubstring("written by somebody else"));
  }
}

TEST_CASE("optimizers and averages take new numbers in every replay", "[graph][optim][ema]") {
  if (!has_gpu()) SKIP("there is no GPU");
  check_replays<optim::Adam>(optim::AdamOptions{.beta1 = 0.5});
  check_replays<optim::Sgd>(optim::SgdOptions{.momentum = 0.9});
  check_replays<optim::RmsProp>(optim::RmsPropOptions{});
}

TEST_CASE("a copy of a weight that is made between replays does not go stale", "[graph][bf16]") {
  if (!has_gpu()) SKIP("there is no GPU");
  nn::Init init(1);
  nn::Conv2d net({.in_channels = 8, .out_channels = 8, .kernel = 3}, init);
  Tensor weight = net.state_dict().at("weight");
  const Tensor x = random_tensor({1, 4, 4, 8}), half = cast(x, Dtype::bfloat16);
  Graph graph(default_device(), {weight}, [&] { weight.copy_from(weight + 1.0); });
  for (int i = 0; i < 3; ++i) {
    graph.replay();
    const NoGrad no_grad;
    const Tensor kept = net(half);
    weight.copy_from(weight.clone());  // drops every copy
    CHECK(same_bits(kept, net(half)));
    graph = Graph(default_device(), {weight}, [&] { weight.copy_from(weight + 1.0); });
    net(half);
  }
}

namespace {

/// A convolution of bfloat16 pictures, whose kernels want a copy of the weight.
struct HalfConv {
  nn::Init init{1};
  nn::Conv2d net{{.in_channels = 8, .out_channels = 8, .kernel = 3}, init};
  Tensor weight = net.state_dict().at("weight").detach();
  Tensor x = cast(random_tensor({1, 4, 4, 8}), Dtype::bfloat16);
  Tensor y = Tensor::zeros({1, 4, 4, 8}, Dtype::bfloat16);

  void run() {
    const NoGrad no_grad;
    y.copy_from(net(x));
  }
  Tensor expected() {
    const NoGrad no_grad;
    nn::Conv2d fresh({.in_channels = 8, .out_channels = 8, .kernel = 3}, init);
    fresh.load_state_dict(net.state_dict());
    return fresh(x);
  }
  bool is_right() {
    const NoGrad no_grad;
    return same_bits(net(x), expected());
  }
};

}  // namespace

TEST_CASE("a recording leaves no copy of a weight that was never made", "[graph][bf16]") {
  if (!has_gpu()) SKIP("there is no GPU");
  SECTION("when it fails") {
    HalfConv conv;
    CHECK_THROWS_AS(Graph(default_device(), {conv.weight, conv.y},
                          [&] {
                            conv.run();
                            throw Error("on the way");
                          }),
                    Error);
    CHECK(conv.is_right());
  }
  SECTION("when it is never replayed") {
    HalfConv conv;
    Graph(default_device(), {conv.weight, conv.y}, [&] { conv.run(); });
    CHECK(conv.is_right());
  }
  SECTION("when its first replay comes later") {
    HalfConv conv;
    Graph graph(default_device(), {conv.weight, conv.y}, [&] { conv.run(); });
    CHECK(conv.is_right());
    graph.replay();
    CHECK(same_bits(conv.y, conv.expected()));
    CHECK(conv.is_right());
  }
}

TEST_CASE("a graph reads a weight that others write as it is then", "[graph][bf16]") {
  if (!has_gpu()) SKIP("there is no GPU");
  HalfConv conv;
  conv.run();  // makes the copy
  Graph graph(default_device(), {conv.y}, [&] { conv.run(); });
  for (const double value : {0.5, 0.25}) {
    conv.weight.copy_from(Tensor::full(conv.weight.shape(), value));
    std::vector<Tensor> others;  // in the memory of the copy
    for (int i = 0; i < 4; ++i)
      others.push_back(Tensor::full({conv.weight.numel() / 2}, -1.0));
    graph.replay();
    CHECK(same_bits(conv.y, conv.expected()));
  }
}

TEST_CASE("a weight that is written before it is read is read as it is then", "[graph][bf16]") {
  if (!has_gpu()) SKIP("there is no GPU");
  HalfConv conv;
  conv.run();  // makes the copy, which the write drops
  Graph graph(default_device(), {conv.weight, conv.y}, [&] {
    conv.weight.copy_from(conv.weight * 0.5);
    conv.run();
  });
  for (int i = 0; i < 3; ++i) {
    graph.replay();
    CHECK(same_bits(conv.y, conv.expected()));
    CHECK(conv.is_right());
  }
}

TEST_CASE("a weight that is written without its copy is recorded without it", "[graph][bf16]") {
  if (!has_gpu()) SKIP("there is no GPU");
  HalfConv conv;
  conv.run();
  const auto body = [&] {
    conv.run();
    conv.weight.copy_from(conv.weight * 0.5);
  };
  const std::vector<Tensor> written{conv.weight, conv.y};
  CHECK_THAT(message_of([&] { Graph(default_device(), written, body); }),
             ContainsSubstring("record again"));
  Graph graph(default_device(), written, body);
  for (int i = 0; i < 3; ++i) {
    const Tensor expected = conv.expected();
    graph.replay();
    CHECK(same_bits(conv.y, expected));
    CHECK(conv.is_right());
  }
}

TEST_CASE("views of one tensor may be written in a graph", "[graph]") {
  if (!has_gpu()) SKIP("there is no GPU");
  Tensor x = Tensor::zeros({4});
  Tensor first = x.view_rows(0, 2), last = x.view_rows(2, 4);
  Graph graph(default_device(), {first, last}, [&] {
    first.copy_from(first + 1.0);
    last.copy_from(last + 2.0);
  });
  for (int i = 0; i < 3; ++i)
    graph.replay();
  CHECK(same_bits(first, Tensor::full({2}, 3.0)));
  CHECK(same_bits(last, Tensor::full({2}, 6.0)));
}

TEST_CASE("a graph refuses what it cannot watch", "[graph][errors]") {
  if (!has_gpu()) SKIP("there is no GPU");
  const auto complaint = [&](const Tensor& written) {
    return message_of([&] { Graph(default_device(), {written}, [] {}); });
  };
  CHECK_THAT(complaint(Tensor()), ContainsSubstring("is undefined"));
  CHECK_THAT(complaint(Tensor::zeros({1}).to(Device::cpu())), ContainsSubstring("is on cpu"));
}

TEST_CASE("a recording that gets no memory frees none and can be made anew", "[graph][errors]") {
  if (!has_gpu()) SKIP("there is no GPU");
  Tensor y = Tensor::zeros({4});
  const auto record = [&](std::int64_t size) {
    return Graph(default_device(), {y}, [&] {
      y.copy_from(y + 1.0);
      Tensor::empty({size});
    });
  };
  std::string complaint;
  try {
    record(std::int64_t{1} << 50);
  } catch (const OutOfMemory& error) {
    complaint = error.what();
  }
  CHECK_THAT(complaint, ContainsSubstring("MiB wanted by a recording, "));
  CHECK_THAT(complaint, ContainsSubstring("MiB in use, "));
  CHECK(same_bits(y, Tensor::zeros({4})));
  record(4).replay();
  CHECK(same_bits(y, Tensor::full({4}, 1.0)));
}

}  // namespace whisker::testing
