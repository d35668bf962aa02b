// Exponential moving average of a module, for sampling from smoother weights.
#pragma once

#include <whisker/layers/module.h>
#include <whisker/optim/step_numbers.h>

namespace whisker::inline v0_1::optim {

/// average = decay * average + (1 - decay) * value for every parameter; buffers, such as batch
/// norm's moving statistics, are averages already and are copied.
class Ema {
 public:
  /// Starts from the module's present values.
  Ema(nn::Module& module, double decay);

  /// To be called after each update of the module this was made from. The decay is held back to
  /// (1 + n) / (10 + n) after n updates, so that early averages are not stuck at the initial
  /// values. Throws ShapeError for another module.
  void update(nn::Module& module);
  // The parts of update(), as those of Optimizer::step().
  void prepare_update();
  void apply_update(nn::Module& module, const Tensor& first_bad = {});
  void count_update() { ++updates_; }
  void keep_numbers_on_device();

  /// Handles to the averages by name, such as load_state_dict() of a second module takes.
  nn::StateDict state_dict() const { return average_; }
  /// Copies averages in, with the number of updates so far; throws InputError.
  void load_state_dict(const nn::StateDict& state, std::int64_t updates);
  std::int64_t updates() const { return updates_; }

 private:
  void check_fits(nn::Module& module) const;

  nn::StateDict average_;
  double decay_;
  StepNumbers<double> numbers_;  // the decay of the next update
  std::int64_t updates_ = 0;
};

}  // namespace whisker::inline v0_1::optim
