#include <whisker/optim/rmsprop.h>
#include <whisker/optim/updates.h>

namespace whisker::inline v0_1::optim {

RmsProp::RmsProp(std::vector<nn::NamedTensor> parameters, const RmsPropOptions& options)
    : Optimizer(std::move(parameters), options.learning_rate, {"square"}), options_(options) {
  check(options.decay >= 0.0 && options.decay < 1.0, "rmsprop: decay ", options.decay,
        " must be in [0, 1)");
  check(options.epsilon > 0.0, "rmsprop: epsilon ", options.epsilon, " must be positive");
}

void RmsProp::prepare_step() {
  numbers_.set({.learning_rate = learning_rate(),
                .decay = options_.decay,
                .epsilon = options_.epsilon,
                .epsilon_inside_root = options_.epsilon_inside_root});
}

void RmsProp::update(Updates& updates, const Tensor& first_bad) {
  updates.run("rmsprop", [&](const auto& segments, auto& context) {
    rmsprop_update(segments, numbers_.source(first_bad), context);
  });
}

}  // namespace whisker::inline v0_1::optim
