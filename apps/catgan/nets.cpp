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

using Shapes = std::map<std::string, Shape>;

/// What a block's convolution and norm hold; both kinds of convolution have square kernels.
void add_block(Shapes& shapes, const std::string& name, const Config& config, const Shape& weight,
               std::int64_t out) {
  shapes[name + ".conv.weight"] = weight;
  shapes[name + ".conv.bias"] = {out};
  if (config.norm != Norm::batch) return;
  for (const char* part : {"gamma", "beta", "moving_mean", "moving_variance"})
    shapes[str(name, ".norm.", part)] = {out};
}

constexpr std::int64_t kKernel = 5;

}  // namespace

Shapes generator_shapes(const Config& config) {
  const std::vector<int>& widths = config.g_widths;
  const std::int64_t dense = std::int64_t{config.base_size()} * config.base_size() * widths[0];
  Shapes shapes{{"dense.weight", {dense, config.z_size}},
                {"dense.bias", {dense}},
                {"out.weight", {widths.back(), kKernel, kKernel, 3}},
                {"out.bias", {3}}};
  for (std::size_t i = 1; i < widths.size(); ++i)
    add_block(shapes, str("up", i), config, {widths[i - 1], kKernel, kKernel, widths[i]},
              widths[i]);
  return shapes;
}

Shapes discriminator_shapes(const Config& config) {
  Shapes shapes;
  std::int64_t side = config.size, channels = 3;
  for (std::size_t i = 0; i < config.d_widths.size(); ++i) {
    const std::int64_t width = config.d_widths[i], stride = config.d_strides[i];
    add_block(shapes, str("block", i + 1), config, {width, kKernel, kKernel, channels}, width);
    side = (side + stride - 1) / stride;
    channels = width;
  }
  shapes["dense.weight"] = {1, side * side * channels};
  shapes["dense.bias"] = {1};
  return shapes;
}

void check_shapes(const std::map<std::string, Tensor>& tensors, const Shapes& wanted,
                  const std::string& what) {
  std::string problems;
  for (const auto& [name, shape] : wanted) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) {
      problems += "\n  missing: " + name;
    } else if (found->second.shape() != shape || found->second.dtype() != Dtype::float32) {
      problems += str("\n  ", name, ": wants float32 ", shape, ", got ", found->second.dtype(), " ",
                      found->second.shape());
    }
  }
  for (const auto& [name, tensor] : tensors)
    if (!wanted.contains(name)) problems += "\n  surplus: " + name;
  check<InputError>(problems.empty(), what,
                    ": the saved tensors do not fit the settings:", problems);
}

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
