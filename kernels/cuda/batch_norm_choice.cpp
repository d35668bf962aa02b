#include <cstdlib>
#include <limits>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/batch_norm_choice.h>
#include <whisker/kernels/cuda/conv2d_tuning.h>

namespace whisker::inline v0_1::kernels::cuda {

NormPolicy parse_norm_policy(std::string_view text) {
  if (text.empty() || text == "own") return NormPolicy::own;
  check(text == "cudnn", "batch_norm: WHISKER_NORM is own or cudnn, not '", text, "'");
  return NormPolicy::cudnn;
}

bool takes_cudnn(NormPolicy policy, const BatchNormShape& shape, bool has_cudnn) {
  if (policy == NormPolicy::own) return false;
  check(has_cudnn,
        "batch_norm: WHISKER_NORM=cudnn, but cuDNN 9 was not found; install it, put its folder on "
        "LD_LIBRARY_PATH, or set WHISKER_NORM=own");
  const std::int64_t size = shape.rows * shape.channels;
  return size > 1 && size <= std::numeric_limits<std::int32_t>::max();
}

bool batch_norm_takes_cudnn(const BatchNormShape& shape) {
  static const NormPolicy policy = [] {
    const char* text = std::getenv("WHISKER_NORM");
    return parse_norm_policy(text == nullptr ? "" : text);
  }();
  return policy == NormPolicy::cudnn && takes_cudnn(policy, shape, cudnn_usable());
}

}  // namespace whisker::inline v0_1::kernels::cuda
