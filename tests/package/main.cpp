// Fits a small convolutional net to one batch with an installed whisker, from outside the tree.
#include <iostream>

#include <whisker/core/random.h>
#include <whisker/kernels/cpu/threads.h>
#include <whisker/layers/nn.h>
#include <whisker/optim/adam.h>

using namespace whisker;

int main() {
  kernels::cpu::set_threads(1);
  nn::Init init(1);
  nn::Sequential net;
  net.add("conv",
          nn::ConvBlock({.conv = {.in_channels = 3, .out_channels = 8, .stride = 2}}, init));
  net.add("flatten", nn::Flatten());
  net.add("score", nn::Dense({.in = 4 * 4 * 8, .out = 1}, init));
  optim::Adam adam(net.parameters(), {.learning_rate = 1e-2});

  const Tensor images = random_normal({4, 8, 8, 3}, 0.0f, 1.0f, {.seed = 1});
  double first = 0.0, last = 0.0;
  for (int step = 0; step < 20; ++step) {
    adam.zero_grad();
    const Tensor loss = nn::least_squares(net(images), 1.0);
    loss.backward();
    adam.step();
    last = loss.item();
    if (step == 0) first = last;
  }
  std::cout << "loss " << first << " -> " << last << '\n';
  return last < 0.1 * first && kernels::cpu::threads() == 1 ? 0 : 1;
}
