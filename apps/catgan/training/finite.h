// Finding numbers that are none.
#pragma once

#include <map>
#include <string>

#include <whisker/layers/nn.h>

namespace catgan {

/// Whether a float32 tensor holds no infinity and no NaN; tensors of other types always are.
bool is_finite(const whisker::Tensor& tensor);

/// Throws whisker::NumericError that begins with `source` and names the first tensor with an
/// infinity or a NaN.
void check_finite(const std::map<std::string, whisker::Tensor>& tensors, const std::string& source);

/// Says in which layer's output a net turns finite input into a number that is none, or "".
std::string first_bad_layer(whisker::nn::Module& net, const whisker::Tensor& input);

}  // namespace catgan
