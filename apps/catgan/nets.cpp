#include "nets.h"

#include <whisker/core/ops/cast.h>

namespace catgan {
namespace {

using namespace whisker;

class Cast : public nn::Module {
 public:
  explicit Cast(Dtype dtype) : dtype_(dtype) {}
  std::string describe() const override { return str("Cast to ", dtype_); }

 protected:
  Tensor forward(const Tensor& x) override { return cast(x, dtype_); }

 private:
  Dtype dtype_;
};

using Activation = nn::ConvBlockOptions::Activation;

nn::ConvBlockOptions block_options(const Config& config, int in, int out, int stride) {
  return {.conv = {.in_channels = in, .out_channels = out, .stride = stride},
          .activation =
              config.norm == Norm::batch ? Activation::batch_norm_leaky_relu : Activation::selu,
          .slope = config.slope,
          .batch_norm = {.epsilon = config.norm_epsilon, .momentum = config.norm_momentum}};
}

}  // namespace

std::unique_ptr<nn::Module> make_generator(const Config& config, nn::Init& init) {
  auto net = std::make_unique<nn::Sequential>();
  net->set_name("g");
  const int base = config.base_size();
  const std::vector<int>& widths = config.g_widths;
  const bool half = config.precision == Precision::bf16;

  if (half) net->add("to_bf16", Cast(Dtype::bfloat16));
  net->add("dense",
           nn::Dense({.in = config.z_size, .out = std::int64_t{base} * base * widths[0]}, init));
  net->add("reshape", nn::Reshape(base, base, widths[0]));
  if (config.norm == Norm::batch) {
    net->add("activation", nn::LeakyRelu(config.slope));
  } else {
    net->add("activation", nn::Selu());
  }
  for (std::size_t i = 1; i < widths.size(); ++i) {
    nn::ConvBlockOptions options = block_options(config, widths[i - 1], widths[i], 2);
    options.transposed = true;
    options.batch_norm.updates_per_forward = config.norm_updates;
    net->add(str("up", i), nn::ConvBlock(options, init));
  }
  net->add("out", nn::ConvTranspose2d({.in_channels = widths.back(), .out_channels = 3}, init));
  if (half) net->add("to_float32", Cast(Dtype::float32));
  net->add("tanh", nn::Tanh());
  return net;
}

std::unique_ptr<nn::Module> make_discriminator(const Config& config, nn::Init& init) {
  auto net = std::make_unique<nn::Sequential>();
  net->set_name("d");
  const bool half = config.precision == Precision::bf16;

  if (half) net->add("to_bf16", Cast(Dtype::bfloat16));
  std::int64_t side = config.size, channels = 3;
  for (std::size_t i = 0; i < config.d_widths.size(); ++i) {
    const int width = config.d_widths[i], stride = config.d_strides[i];
    nn::ConvBlockOptions options = block_options(config, static_cast<int>(channels), width, stride);
    options.batch_norm.updates_per_forward = 0;
    options.batch_norm.always_batch_statistics = true;
    net->add(str("block", i + 1), nn::ConvBlock(options, init));
    side = (side + stride - 1) / stride;
    channels = width;
  }
  net->add("flatten", nn::Flatten());
  net->add("dense", nn::Dense({.in = side * side * channels, .out = 1}, init));
  if (half) net->add("to_float32", Cast(Dtype::float32));
  return net;
}

}  // namespace catgan
