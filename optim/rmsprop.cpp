#include <whisker/core/backend.h>
#include <whisker/kernels/optimizer.h>
#include <whisker/optim/rmsprop.h>

namespace whisker::inline v0_1::optim {

RmsProp::RmsProp(std::vector<nn::NamedTensor> parameters, const RmsPropOptions& options)
    : Optimizer(std::move(parameters), options.learning_rate, {"square"}), options_(options) {
  check(options.decay >= 0.0 && options.decay < 1.0, "rmsprop: decay ", options.decay,
        " must be in [0, 1)");
  check(options.epsilon > 0.0, "rmsprop: epsilon ", options.epsilon, " must be positive");
}

void RmsProp::update(std::size_t i, Tensor& parameter, const Tensor& gradient) {
  const kernels::RmsPropStep step{.learning_rate = learning_rate(),
                                  .decay = options_.decay,
                                  .epsilon = options_.epsilon,
                                  .epsilon_inside_root = options_.epsilon_inside_root};
  dispatch_master("rmsprop", parameter, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    rmsprop_update(parameter.kernel_mutable_data<T>(), gradient.kernel_data<T>(),
                   slot(0, i).kernel_mutable_data<T>(), parameter.numel(), step, context);
  });
}

}  // namespace whisker::inline v0_1::optim
