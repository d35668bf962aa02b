#include <whisker/core/backend.h>
#include <whisker/kernels/optimizer.h>
#include <whisker/optim/sgd.h>

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

void Sgd::update(std::size_t i, Tensor& parameter, const Tensor& gradient) {
  const kernels::SgdStep step{.learning_rate = learning_rate(),
                              .momentum = options_.momentum,
                              .nesterov = options_.nesterov};
  dispatch_master("sgd", parameter, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    T* velocity = options_.momentum == 0.0 ? nullptr : slot(0, i).kernel_mutable_data<T>();
    sgd_update(parameter.kernel_mutable_data<T>(), gradient.kernel_data<T>(), velocity,
               parameter.numel(), step, context);
  });
}

}  // namespace whisker::inline v0_1::optim
