#include <algorithm>
#include <array>

#include <whisker/core/backend.h>
#include <whisker/core/ops/batch_norm.h>
#include <whisker/core/ops/binary.h>
#include <whisker/kernels/optimizer.h>
#include <whisker/layers/batch_norm2d.h>
#include <whisker/layers/init.h>

namespace whisker::inline v0_1::nn {

BatchNorm2d::BatchNorm2d(const BatchNorm2dOptions& options) : options_(options) {
  check(options.channels > 0, "BatchNorm2d: channels ", options.channels, " must be positive");
  check(options.epsilon >= 0.0 && options.slope >= 0.0 && options.updates_per_forward >= 0,
        "BatchNorm2d: epsilon ", options.epsilon, ", slope ", options.slope,
        " and updates_per_forward ", options.updates_per_forward, " must not be negative");
  check(options.momentum >= 0.0 && options.momentum <= 1.0, "BatchNorm2d: momentum ",
        options.momentum, " must be in [0, 1]");
  gamma_ = parameter(Tensor::full({options.channels}, 1.0));
  beta_ = parameter(Tensor::zeros({options.channels}));
  moving_mean_ = Tensor::zeros({options.channels});
  moving_variance_ = Tensor::full({options.channels}, 1.0);
}

std::string BatchNorm2d::describe() const {
  return str("BatchNorm2d ", options_.channels,
             options_.slope == 1.0 ? "" : str(", leaky ReLU ", options_.slope));
}

Tensor BatchNorm2d::forward(const Tensor& x) {
  const BatchNormOptions options{.epsilon = options_.epsilon, .slope = options_.slope};
  if (!training() && !options_.always_batch_statistics)
    return batch_norm_inference(x, gamma_, beta_, moving_mean_, moving_variance_, options);
  const BatchNormResult result = batch_norm(x, gamma_, beta_, options);
  // An empty batch has no statistics.
  if (training() && x.numel() > 0)
    update_moving(result.mean, result.variance, x.numel() / options_.channels);
  return result.y;
}

void BatchNorm2d::update_moving(const Tensor& mean, const Tensor& variance, std::int64_t rows) {
  const auto bessel = static_cast<float>(static_cast<double>(rows) /
                                         static_cast<double>(std::max<std::int64_t>(rows - 1, 1)));
  const Tensor unbiased = scale(variance, bessel);
  const auto segment = [&](Tensor& average, const Tensor& value) {
    return kernels::Segment<float>{.theta = average.kernel_mutable_data<float>(),
                                   .g = value.kernel_data<float>(),
                                   .slots = {},
                                   .n = options_.channels};
  };
  with_context(mean.device(), [&](auto& context) {
    for (int i = 0; i < options_.updates_per_forward; ++i) {
      const std::array segments{segment(moving_mean_, mean), segment(moving_variance_, unbiased)};
      average_update(std::span<const kernels::Segment<float>>(segments), options_.momentum,
                     context);
    }
  });
}

void BatchNorm2d::visit(ModuleVisitor& visitor) {
  visitor.parameter("gamma", gamma_);
  visitor.parameter("beta", beta_);
  visitor.buffer("moving_mean", moving_mean_);
  visitor.buffer("moving_variance", moving_variance_);
}

}  // namespace whisker::inline v0_1::nn
