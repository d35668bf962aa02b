#include <limits>

#include <whisker/optim/optimizer.h>

namespace whisker::inline v0_1::optim {

Optimizer::Optimizer(std::vector<nn::NamedTensor> parameters, double learning_rate,
                     std::vector<std::string> slots)
    : parameters_(std::move(parameters)), slots_(std::move(slots)), learning_rate_(learning_rate) {
  check(!parameters_.empty(), "optimizer: there are no parameters to update");
  for (const auto& [name, tensor] : parameters_)
    check<ShapeError>(tensor.dtype() == Dtype::float32 || tensor.dtype() == Dtype::float64,
                      "optimizer: parameter ", name, " is ", tensor.dtype(),
                      ", master weights are float32 or float64");
  state_.resize(slots_.size());
  for (std::vector<Tensor>& tensors : state_)
    for (const auto& [name, tensor] : parameters_)
      tensors.push_back(Tensor::zeros(tensor.shape(), tensor.dtype(), tensor.device()));
}

void Optimizer::step() {
  bool any = false;
  for (const auto& [name, tensor] : parameters_)
    any = any || tensor.grad().defined();
  check(any, "optimizer: no parameter has a gradient; call backward() before step()");
  ++steps_;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor gradient = parameters_[i].second.grad();
    if (gradient.defined()) update(i, parameters_[i].second, gradient);
  }
}

void Optimizer::zero_grad() {
  for (auto& [name, tensor] : parameters_)
    if (tensor.grad().defined()) tensor.set_grad(Tensor());
}

nn::StateDict Optimizer::state_dict() {
  nn::StateDict state;
  check(steps_ <= std::numeric_limits<std::int32_t>::max(), "optimizer: too many steps to save");
  state["steps"] = Tensor::from<std::int32_t>({static_cast<std::int32_t>(steps_)}, {});
  for (std::size_t s = 0; s < slots_.size(); ++s)
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      state[slots_[s] + "." + parameters_[i].first] = state_[s][i];
  return state;
}

void Optimizer::load_state_dict(const nn::StateDict& state) {
  nn::copy_state(state, state_dict(), "optimizer");
  steps_ = static_cast<std::int64_t>(state.at("steps").item());
}

}  // namespace whisker::inline v0_1::optim
