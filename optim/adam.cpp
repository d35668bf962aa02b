#include <cmath>

#include <whisker/optim/adam.h>
#include <whisker/optim/updates.h>

namespace whisker::inline v0_1::optim {

Adam::Adam(std::vector<nn::NamedTensor> parameters, const AdamOptions& options)
    : Optimizer(std::move(parameters), options.learning_rate, {"m", "v"}), options_(options) {
  check(options.beta1 >= 0.0 && options.beta1 < 1.0 && options.beta2 >= 0.0 && options.beta2 < 1.0,
        "adam: beta1 ", options.beta1, " and beta2 ", options.beta2, " must be in [0, 1)");
  check(options.epsilon > 0.0, "adam: epsilon ", options.epsilon, " must be positive");
}

void Adam::prepare_step() {
  const auto t = static_cast<double>(steps() + 1);
  const double c1 = 1.0 - std::pow(options_.beta1, t), c2 = 1.0 - std::pow(options_.beta2, t);
  const bool paper = options_.epsilon_placement == AdamEpsilon::tensorflow;
  numbers_.set({.step_size = paper ? learning_rate() * std::sqrt(c2) / c1 : learning_rate() / c1,
                .beta1 = options_.beta1,
                .beta2 = options_.beta2,
                .epsilon = options_.epsilon,
                .inverse_sqrt_correction = paper ? 1.0 : 1.0 / std::sqrt(c2)});
}

void Adam::update(Updates& updates, const Tensor& first_bad) {
  updates.run("adam", [&](const auto& segments, auto& context) {
    adam_update(segments, numbers_.source(first_bad), context);
  });
}

}  // namespace whisker::inline v0_1::optim
