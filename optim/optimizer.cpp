#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <whisker/optim/optimizer.h>
#include <whisker/optim/updates.h>

namespace whisker::inline v0_1::optim {

Optimizer::Optimizer(std::vector<nn::NamedTensor> parameters, double learning_rate,
                     std::vector<std::string> slots)
    : parameters_(std::move(parameters)), slots_(std::move(slots)) {
  set_learning_rate(learning_rate);
  check_parameters();
  state_.resize(slots_.size());
  for (std::vector<Tensor>& tensors : state_)
    for (const auto& [name, tensor] : parameters_)
      tensors.push_back(Tensor::zeros(tensor.shape(), tensor.dtype(), tensor.device()));
}

void Optimizer::check_parameters() const {
  check(!parameters_.empty(), "optimizer: there are no parameters to update");
  std::set<std::string> names;
  std::map<const std::byte*, std::string> elements;
  for (const auto& [name, tensor] : parameters_) {
    check<ShapeError>(tensor.dtype() == Dtype::float32 || tensor.dtype() == Dtype::float64,
                      "optimizer: parameter ", name, " is ", tensor.dtype(),
                      ", master weights are float32 or float64");
    check(names.insert(name).second, "optimizer: two parameters are named ", name,
          "; give an optimizer to each module, or put a prefix in front of the names");
    const auto [first, is_new] = elements.emplace(tensor.raw_data(), name);
    check(is_new || tensor.numel() == 0, "optimizer: ", first->second, " and ", name,
          " are one parameter, which would be updated twice");
  }
}

void Optimizer::set_learning_rate(double rate) {
  check(std::isfinite(rate) && rate >= 0.0, "optimizer: a learning rate of ", rate);
  learning_rate_ = rate;
}

void Optimizer::step() {
  prepare_step();
  apply_step();
  count_step();
}

void Optimizer::apply_step(const Tensor& first_bad) {
  Updates updates;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& parameter = parameters_[i].second;
    const Tensor gradient = parameter.grad();
    if (!gradient.defined()) continue;
    std::vector<Tensor> slots;
    for (const std::vector<Tensor>& tensors : state_)
      slots.push_back(tensors[i]);
    updates.add(parameter, gradient, std::move(slots));
  }
  check(!updates.empty(), "optimizer: no parameter has a gradient; call backward() before step()");
  update(updates, first_bad);
}

Device Optimizer::device() const {
  const Device first = parameters_.front().second.device();
  for (const auto& [name, tensor] : parameters_)
    check(tensor.device() == first, "optimizer: ", name, " is on ", tensor.device(),
          ", other parameters on ", first);
  return first;
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
  // Before the tensors, so that a bad count leaves everything as it was.
  nn::StateDict own = state_dict();
  const auto steps = state.find("steps");
  if (steps != state.end() && steps->second.defined() && steps->second.numel() == 1)
    check<InputError>(steps->second.item() >= 0.0, "optimizer: the saved state counts ",
                      steps->second.item(), " steps");
  nn::copy_state(state, own, "optimizer");
  steps_ = static_cast<std::int64_t>(own.at("steps").item());
}

}  // namespace whisker::inline v0_1::optim
