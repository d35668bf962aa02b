// RMSprop (Hinton's lecture 6e, 2012), as the first WGANs were trained.
#pragma once

#include <whisker/optim/optimizer.h>
#include <whisker/optim/step_numbers.h>

namespace whisker::inline v0_1::optim {

struct RmsPropOptions {
  double learning_rate = 1e-3;
  double decay = 0.99;
  double epsilon = 1e-8;
  bool epsilon_inside_root = false;  // TensorFlow's placement; false is PyTorch's
};

/// square = decay * square + (1 - decay) g^2; theta -= rate * g / (sqrt(square) + epsilon), or with
/// epsilon inside the root. State per parameter: "square", initially zero.
class RmsProp : public Optimizer {
 public:
  RmsProp(std::vector<nn::NamedTensor> parameters, const RmsPropOptions& options);

  void prepare_step() override;
  void keep_numbers_on_device() override { numbers_.keep_on(device()); }

 protected:
  void update(Updates& updates, const Tensor& first_bad) override;

 private:
  RmsPropOptions options_;
  StepNumbers<kernels::RmsPropStep> numbers_;
};

}  // namespace whisker::inline v0_1::optim
