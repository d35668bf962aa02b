// Adam (Kingma & Ba 2015).
#pragma once

#include <whisker/optim/optimizer.h>
#include <whisker/optim/step_numbers.h>

namespace whisker::inline v0_1::optim {

/// Where epsilon stands. With m', v' the moments and c1 = 1 - beta1^t, c2 = 1 - beta2^t:
///   tensorflow: theta -= rate * sqrt(c2) / c1 * m' / (sqrt(v') + epsilon), the paper's epsilon-hat
///   pytorch:    theta -= rate / c1 * m' / (sqrt(v' / c2) + epsilon)
enum class AdamEpsilon { tensorflow, pytorch };

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  AdamEpsilon epsilon_placement = AdamEpsilon::pytorch;
};

/// State per parameter: "m" and "v".
class Adam : public Optimizer {
 public:
  Adam(std::vector<nn::NamedTensor> parameters, const AdamOptions& options);

  void prepare_step() override;
  void keep_numbers_on_device() override { numbers_.keep_on(device()); }

 protected:
  void update(Updates& updates, const Tensor& first_bad) override;

 private:
  AdamOptions options_;
  StepNumbers<kernels::AdamStep> numbers_;
};

}  // namespace whisker::inline v0_1::optim
