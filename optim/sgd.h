// Stochastic gradient descent with momentum.
#pragma once

#include <whisker/optim/optimizer.h>
#include <whisker/optim/step_numbers.h>

namespace whisker::inline v0_1::optim {

struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0.0;
  bool nesterov = false;
};

/// velocity = momentum * velocity + g; theta -= rate * velocity, or with Nesterov's look-ahead
/// rate * (g + momentum * velocity). State per parameter, with momentum: "velocity".
class Sgd : public Optimizer {
 public:
  Sgd(std::vector<nn::NamedTensor> parameters, const SgdOptions& options);

  void prepare_step() override;
  void keep_numbers_on_device() override { numbers_.keep_on(device()); }

 protected:
  void update(Updates& updates, const Tensor& first_bad) override;

 private:
  SgdOptions options_;
  StepNumbers<kernels::SgdStep> numbers_;
};

}  // namespace whisker::inline v0_1::optim
