#include <whisker/core/autograd.h>
#include <whisker/core/memory_pool.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/conv2d.h>
#include <whisker/core/random.h>

#include "bench.h"

namespace whisker_bench {
namespace {

using whisker::Tensor;

struct Layer {
  const char* name;
  int in_channels, out_channels, stride, in_size;  // of the convolution whose adjoint a T layer is
};

/// The article's layers at 128x128; T layers are transposed, so their "input" is their output.
constexpr Layer kLayers[] = {
    {"D1 3->64 /2", 3, 64, 2, 128},        {"D2 64->128 /2", 64, 128, 2, 64},
    {"D3 128->256 /2", 128, 256, 2, 32},   {"D4 256->512 /1", 256, 512, 1, 16},
    {"D5 512->1024 /2", 512, 1024, 2, 16}, {"G1 T1024->512 /2", 512, 1024, 2, 16},
    {"G2 T512->256 /2", 256, 512, 2, 32},  {"G3 T256->128 /2", 128, 256, 2, 64},
    {"G4 T128->64 /2", 64, 128, 2, 128},   {"G5 T64->3 /1", 3, 64, 1, 128}};

int width(int channels, int divide) {
  return channels == 3 ? 3 : std::max(channels / divide, 1);
}

}  // namespace

std::vector<Measurement> bench_convolutions(int batch, int image_size, int divide_widths,
                                            const std::string& filter, bool bfloat16,
                                            const Peak& peak) {
  const whisker::NoGrad no_grad;
  const auto dtype = bfloat16 ? whisker::Dtype::bfloat16 : whisker::Dtype::float32;
  std::vector<Measurement> results;
  for (const Layer& layer : kLayers) {
    const std::int64_t size = std::int64_t{layer.in_size} * image_size / 128;
    const whisker::Shape x_shape{batch, size, size, width(layer.in_channels, divide_widths)};
    const whisker::Shape w_shape{width(layer.out_channels, divide_widths), 5, 5, x_shape[3]};
    const auto options = whisker::Conv2dOptions::same(layer.stride);
    const auto shape = whisker::conv2d_shape(x_shape, w_shape, options);
    const whisker::Shape y_shape{batch, shape.out_h(), shape.out_w(), w_shape[0]};
    const Tensor x = cast(whisker::random_uniform(x_shape, -1, 1, {.seed = 1}), dtype);
    const Tensor dy = cast(whisker::random_uniform(y_shape, -1, 1, {.seed = 2}), dtype);
    const Tensor w = whisker::random_uniform(w_shape, -1, 1, {.seed = 3});
    const auto run = [&](const char* pass, const std::function<void()>& body) {
      const std::string name = std::string(layer.name) + " " + pass;
      if (name.find(filter) == std::string::npos) return;
      results.push_back({.name = name, .milliseconds = median_ms(body), .flops = shape.flops()});
      print_line(results.back(), peak);
    };
    run("forward", [&] { conv2d(x, w, Tensor(), options); });
    run("backward data", [&] { conv2d_input_grad(dy, w, x_shape, options); });
    run("backward weight", [&] { conv2d_weight_grad(x, dy, w_shape, options); });
  }
  return results;
}

}  // namespace whisker_bench
