#include <whisker/optim/sgd.h>
#include <whisker/optim/updates.h>

namespace whisker::inline v0_1::optim {
namespace {

std::vector<std::string> slots_of(const SgdOptions& options) {
  if (options.momentum == 0.0) return {};
  return {"velocity"};
}

}  // namespace

Sgd::Sgd(std::vector<nn::NamedTensor> parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters), options.learning_rate, slots_of(options)),
      options_(options) {
  check(options.momentum >= 0.0 && options.momentum < 1.0, "sgd: momentum ", options.momentum,
        " must be in [0, 1)");
  check(!options.nesterov || options.momentum > 0.0, "sgd: Nesterov's look-ahead wants a momentum");
}

void Sgd::prepare_step() {
  numbers_.set({.learning_rate = learning_rate(),
                .momentum = options_.momentum,
                .nesterov = options_.nesterov});
}

void Sgd::update(Updates& updates, const Tensor& first_bad) {
  updates.run("sgd", [&](const auto& segments, auto& context) {
    sgd_update(segments, numbers_.source(first_bad), context);
  });
}

}  // namespace whisker::inline v0_1::optim
