#include "training/memory_plan.h"

#include <algorithm>
#include <cstdio>

#include <whisker/kernels/cpu/machine.h>

namespace catgan {
namespace {

/// Sums over the layers of a net.
struct NetSize {
  double parameters = 0.0;
  double activations = 0.0;  // elements for each picture
  double largest = 0.0;      // of one layer's

  void add(double weights, double channels, double side) {
    const double elements = channels * side * side;
    parameters += weights + 3.0 * channels;
    activations += 2.0 * elements;  // the convolution's result and the norm's
    largest = std::max(largest, elements);
  }
};

NetSize size_of_generator(const Config& config) {
  NetSize net;
  double side = config.base_size(), channels = config.g_widths[0];
  net.add(config.z_size * channels * side * side, channels, side);
  for (std::size_t i = 1; i < config.g_widths.size(); ++i) {
    side *= 2.0;
    net.add(25.0 * channels * config.g_widths[i], config.g_widths[i], side);
    channels = config.g_widths[i];
  }
  net.add(25.0 * channels * 3.0, 3.0, side);
  return net;
}

NetSize size_of_discriminator(const Config& config) {
  NetSize net;
  double side = config.size, channels = 3.0;
  for (std::size_t i = 0; i < config.d_widths.size(); ++i) {
    side = static_cast<double>((static_cast<int>(side) + config.d_strides[i] - 1) /
                               config.d_strides[i]);
    net.add(25.0 * channels * config.d_widths[i], config.d_widths[i], side);
    channels = config.d_widths[i];
  }
  net.parameters += channels * side * side;
  return net;
}

}  // namespace

MemoryPlan plan_memory(const Config& config) {
  const NetSize g = size_of_generator(config), d = size_of_discriminator(config);
  const double averaged = config.ema_decay > 0.0 ? 3.0 : 0.0;
  MemoryPlan plan;
  // Each weight with its gradient, two moments and two copies in the layouts of kernels; the
  // average with the net that samples are drawn from.
  plan.weights = 4.0 * (6.0 * (g.parameters + d.parameters) + averaged * g.parameters);
  const double element = config.precision == Precision::bf16 ? 2.0 : 4.0;
  // G's activations wait for D's in G's update; two gradients travel back.
  plan.per_picture =
      element * (g.activations + d.activations + 2.0 * std::max(g.largest, d.largest));
  return plan;
}

void check_memory(const Config& config) {
  const auto machine = static_cast<double>(whisker::kernels::cpu::usable_memory());
  const MemoryPlan plan = plan_memory(config);
  if (plan.bytes(config.batch) <= machine) return;
  const double fitting = (machine * 0.8 - plan.weights) / plan.per_picture;
  char text[200];
  std::snprintf(text, sizeof text,
                "not enough memory: training takes about %.1f GiB, the machine has %.1f GiB; ",
                plan.bytes(config.batch) / 0x1p30, machine / 0x1p30);
  throw whisker::OutOfMemory(
      text + (fitting >= 1.0
                  ? whisker::str("--batch ", static_cast<long long>(fitting), " would fit")
                  : std::string("choose narrower --g-widths and --d-widths or a smaller --size")));
}

}  // namespace catgan
