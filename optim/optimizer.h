// The base of all optimizers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <whisker/layers/module.h>

namespace whisker::inline v0_1::optim {

class Updates;

/// Updates parameters in place from the gradients that backward() collected. Parameters without a
/// gradient are left alone. Constructors throw Error for no parameters, two of one name or one of
/// two names, and for options out of range.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update; throws Error if no parameter has a gradient at all.
  void step();
  // The parts of step(), for who does not want to wait in the middle of it:
  /// Makes up the numbers of the next update.
  virtual void prepare_step() = 0;
  /// Queues the update; throws Error if no parameter has a gradient at all or
  /// prepare_step() was not called. `first_bad`, if defined, is what find_not_finite() lowers:
  /// unless it is kAllFinite when the update's turn comes, nothing is changed.
  void apply_step(const Tensor& first_bad = {});
  /// From now on prepare_step() puts its numbers into memory of the device and apply_step()'s
  /// kernels read them there, so that a Graph of apply_step() can be replayed. Throws Error if
  /// parameters are on several devices.
  virtual void keep_numbers_on_device() = 0;
  /// Counts an update that was not blocked.
  void count_step() { ++steps_; }

  /// Forgets the gradients.
  void zero_grad();

  double learning_rate() const { return learning_rate_; }
  /// Throws Error unless the rate is finite and not negative.
  void set_learning_rate(double rate);
  std::int64_t steps() const { return steps_; }

  /// Handles to the state: "<slot>.<parameter>" and the number of steps, "steps" [int32 scalar].
  nn::StateDict state_dict();
  /// Copies state in; throws InputError that names what is missing or does not fit.
  void load_state_dict(const nn::StateDict& state);

 protected:
  /// `slots` names the tensors kept per parameter, each of its shape and initially zero.
  Optimizer(std::vector<nn::NamedTensor> parameters, double learning_rate,
            std::vector<std::string> slots);
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(Optimizer&&) = default;

  /// Runs the updates with the numbers of prepare_step().
  virtual void update(Updates& updates, const Tensor& first_bad) = 0;
  /// Of all parameters; throws Error if there is not one alone.
  Device device() const;

 private:
  void check_parameters() const;

  std::vector<nn::NamedTensor> parameters_;
  std::vector<std::string> slots_;
  std::vector<std::vector<Tensor>> state_;
  double learning_rate_;
  std::int64_t steps_ = 0;
};

}  // namespace whisker::inline v0_1::optim
