// The generator and the discriminator.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <whisker/layers/nn.h>

#include "config.h"

namespace catgan {

/// z [N, z_size] -> pictures [N, size, size, 3] in (-1, 1):
///   dense -> base x base x g_widths[0], activation
///   up1, up2, ...: transposed conv 5x5 stride 2 to the next width, norm, activation
///   out: transposed conv 5x5 stride 1 to 3 channels; tanh
/// Named "g". In bf16 the activations are bfloat16; input and output are float32 always.
std::unique_ptr<whisker::nn::Module> make_generator(const Config& config, whisker::nn::Init& init);

/// pictures [N, size, size, 3] -> logits [N, 1]:
///   block1, block2, ...: conv 5x5 with d_strides to d_widths, norm, activation; dense
/// Named "d". It normalises by the batch always: nothing ever reads its moving statistics.
std::unique_ptr<whisker::nn::Module> make_discriminator(const Config& config,
                                                        whisker::nn::Init& init);

/// The names and shapes of all parameters and buffers of the two, found without building them.
std::map<std::string, whisker::Shape> generator_shapes(const Config& config);
std::map<std::string, whisker::Shape> discriminator_shapes(const Config& config);

/// Throws whisker::InputError that begins with `what` and lists how the tensors of a file differ
/// from these shapes.
void check_shapes(const std::map<std::string, whisker::Tensor>& tensors,
                  const std::map<std::string, whisker::Shape>& wanted, const std::string& what);

}  // namespace catgan
