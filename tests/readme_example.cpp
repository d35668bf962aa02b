// The README's example: what stands between the markers there is what stands between them here.
#include <whisker/layers/nn.h>
#include <whisker/optim/adam.h>

#include "catch.h"

using namespace whisker;

TEST_CASE("the README's net learns the exclusive or", "[readme]") {
  // README begin
  nn::Init init(1);
  nn::Sequential net;
  net.add("hidden", nn::Dense({.in = 2, .out = 8}, init)).add("tanh", nn::Tanh());
  net.add("out", nn::Dense({.in = 8, .out = 1}, init));
  optim::Adam adam(net.parameters(), {.learning_rate = 0.05});
  const Tensor x = Tensor::from<float>({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2});
  const Tensor y = Tensor::from<float>({0, 1, 1, 0}, {4, 1});  // exclusive or
  for (int step = 0; step < 200; ++step) {
    adam.zero_grad();
    mean(square(net(x) - y)).backward();
    adam.step();
  }
  // README end
  const Tensor error = abs(net(x) - y);
  for (int i = 0; i < 4; ++i)
    CHECK(error.to_vector<float>()[i] < 0.05f);
}
