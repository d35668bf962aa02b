#include <whisker/core/ops/unary.h>
#include <whisker/layers/conv_block.h>

namespace whisker::inline v0_1::nn {

ConvBlock::ConvBlock(const ConvBlockOptions& options, Init& init) : options_(options) {
  const BatchNorm2dOptions left_out, &given = options.batch_norm;
  check(given.channels == left_out.channels || given.channels == options.conv.out_channels,
        describe(), ": batch_norm.channels is ", given.channels, ", the convolution gives ",
        options.conv.out_channels, "; leave batch_norm.channels out");
  check(given.slope == left_out.slope || given.slope == options.slope, describe(),
        ": batch_norm.slope is ", given.slope, ", slope is ", options.slope,
        "; leave batch_norm.slope out");
  if (options.transposed) {
    conv_transpose_.emplace(options.conv, init);
  } else {
    conv_.emplace(options.conv, init);
  }
  if (options.activation == ConvBlockOptions::Activation::batch_norm_leaky_relu) {
    BatchNorm2dOptions norm = options.batch_norm;
    norm.channels = options.conv.out_channels;
    norm.slope = options.slope;
    norm_.emplace(norm);
  }
}

std::string ConvBlock::describe() const {
  return str("ConvBlock ", options_.transposed ? "transposed " : "", options_.conv.to_string());
}

Module& ConvBlock::conv() {
  if (conv_) return *conv_;
  return *conv_transpose_;
}

Tensor ConvBlock::forward(const Tensor& x) {
  const Tensor y = conv()(x);
  if (norm_) return (*norm_)(y);
  return options_.activation == ConvBlockOptions::Activation::selu ? selu(y)
                                                                   : leaky_relu(y, options_.slope);
}

void ConvBlock::visit(ModuleVisitor& visitor) {
  visitor.child("conv", conv());
  if (norm_) visitor.child("norm", *norm_);
}

}  // namespace whisker::inline v0_1::nn
