// Who computes batch norm.
#pragma once

#include <string_view>

#include <whisker/kernels/batch_norm.h>

namespace whisker::inline v0_1::kernels::cuda {

enum class NormPolicy { own, cudnn };

/// "own" or "cudnn", or empty for own; throws Error for another text.
NormPolicy parse_norm_policy(std::string_view text);

/// Whether cuDNN computes this: the policy says so, and it has more than one element and less than
/// 2^31. Throws Error if the policy is cudnn and there is none.
bool takes_cudnn(NormPolicy policy, const BatchNormShape& shape, bool has_cudnn);

/// The same with WHISKER_NORM, read once, and what is installed here.
bool batch_norm_takes_cudnn(const BatchNormShape& shape);

}  // namespace whisker::inline v0_1::kernels::cuda
