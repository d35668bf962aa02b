// Finding numbers that are none.
#pragma once

#include <whisker/layers/nn.h>

namespace catgan {

/// Whether a float32 tensor holds no infinity and no NaN; tensors of other types always are.
bool is_finite(const whisker::Tensor& tensor);

/// Says in which layer's output a net turns finite input into a number that is none, or "".
std::string first_bad_layer(whisker::nn::Module& net, const whisker::Tensor& input);

}  // namespace catgan
