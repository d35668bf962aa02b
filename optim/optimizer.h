// The base of all optimizers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <whisker/layers/module.h>

namespace whisker::inline v0_1::optim {

/// Updates parameters in place from the gradients that backward() collected. Parameters without a
/// gradient are left alone.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update; throws Error if no parameter has a gradient at all.
  void step();
  /// Forgets the gradients.
  void zero_grad();

  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double rate) { learning_rate_ = rate; }
  std::int64_t steps() const { return steps_; }

  /// Handles to the state: "<slot>.<parameter>" and the number of steps, "steps" [int32 scalar].
  nn::StateDict state_dict();
  /// Copies state in; throws InputError that names what is missing or does not fit.
  void load_state_dict(const nn::StateDict& state);

 protected:
  /// `slots` names the tensors kept per parameter, each of its shape and initially zero.
  Optimizer(std::vector<nn::NamedTensor> parameters, double learning_rate,
            std::vector<std::string> slots);

  /// Updates parameter i; steps() counts the one that is running.
  virtual void update(std::size_t i, Tensor& parameter, const Tensor& gradient) = 0;
  Tensor& slot(std::size_t which, std::size_t i) { return state_[which][i]; }

 private:
  std::vector<nn::NamedTensor> parameters_;
  std::vector<std::string> slots_;
  std::vector<std::vector<Tensor>> state_;
  double learning_rate_;
  std::int64_t steps_ = 0;
};

}  // namespace whisker::inline v0_1::optim
