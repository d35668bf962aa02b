#include <algorithm>

#include <whisker/optim/ema.h>
#include <whisker/optim/updates.h>

namespace whisker::inline v0_1::optim {

Ema::Ema(nn::Module& module, double decay) : decay_(decay) {
  check(decay >= 0.0 && decay < 1.0, "ema: decay ", decay, " must be in [0, 1)");
  for (const auto& [name, tensor] : module.state_dict())
    average_[name] = tensor.clone();
}

void Ema::update(nn::Module& module) {
  prepare_update();
  apply_update(module);
  count_update();
}

void Ema::prepare_update() {
  const auto n = static_cast<double>(updates_ + 1);
  numbers_.set(std::min(decay_, (1.0 + n) / (10.0 + n)));
}

void Ema::apply_update(nn::Module& module, const Tensor& first_bad) {
  check_fits(module);
  nn::StateDict values = module.state_dict();
  Updates copies, updates;
  for (const auto& [name, value] : module.buffers()) {
    copies.add(average_.at(name), value);
    values.erase(name);
  }
  for (const auto& [name, value] : values)
    updates.add(average_.at(name), value);
  updates.run("ema", [&](const auto& segments, auto& context) {
    average_update(segments, numbers_.source(first_bad), context);
  });
  kernels::StepSource<double> no_decay(0.0);  // copies
  no_decay.first_bad = numbers_.source(first_bad).first_bad;
  copies.run("ema", [&](const auto& segments, auto& context) {
    average_update(segments, no_decay, context);
  });
}

void Ema::keep_numbers_on_device() {
  if (average_.empty()) return;
  const Device device = average_.begin()->second.device();
  for (const auto& [name, average] : average_)
    check(average.device() == device, "ema: ", name, " is on ", average.device(), ", others on ",
          device);
  numbers_.keep_on(device);
}

void Ema::check_fits(nn::Module& module) const {
  const nn::StateDict values = module.state_dict();
  bool fits = values.size() == average_.size();
  for (const auto& [name, value] : values) {
    const auto average = average_.find(name);
    fits = fits && average != average_.end() && average->second.shape() == value.shape() &&
           average->second.dtype() == value.dtype() && average->second.device() == value.device();
  }
  check<ShapeError>(fits, "ema: ", module.describe(),
                    " is not the module that was averaged so far");
}

void Ema::load_state_dict(const nn::StateDict& state, std::int64_t updates) {
  check<InputError>(updates >= 0, "ema: the saved state counts ", updates, " updates");
  nn::copy_state(state, average_, "ema");
  updates_ = updates;
}

}  // namespace whisker::inline v0_1::optim
