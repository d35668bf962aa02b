#include <limits>
#include <map>
#include <utility>

#include <whisker/kernels/cuda/batch_norm_choice.h>
#include <whisker/kernels/cuda/conv2d_tuning.h>
#include <whisker/kernels/cuda/tuned_table.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

auto& table() {
  static auto& the_table = *new TunedTable<BatchNormProblem, Backend>;
  return the_table;
}

}  // namespace

Backend choose_batch_norm_backend(const BatchNormProblem& problem, Policy policy, bool has_cudnn,
                                  std::optional<Backend> tuned) {
  check_found(kBatchNormByCudnn, policy, has_cudnn);
  const std::int64_t size = problem.rows * problem.channels;
  const bool applicable = has_cudnn && size > 1 && size <= std::numeric_limits<std::int32_t>::max();
  if (policy == Policy::own || !applicable) return Backend::own;
  return policy == Policy::library ? Backend::library : tuned.value_or(Backend::own);
}

void set_tuned_batch_norm(int device, const std::vector<TunedBatchNorm>& rows) {
  std::map<BatchNormProblem, Backend> backends;
  for (const TunedBatchNorm& row : rows)
    backends[row.problem] = row.backend;
  table().set(device, std::move(backends));
}

std::optional<Backend> find_tuned_batch_norm(int device, const BatchNormProblem& problem) {
  return table().find(device, problem);
}

Backend select_batch_norm_backend(const BatchNormProblem& problem, const Context& context) {
  static const Policy policy = read_policy(kBatchNormByCudnn);
  const auto tuned = find_tuned_batch_norm(context.device, problem);
  if (choose_batch_norm_backend(problem, policy, true, tuned) == Backend::own) return Backend::own;
  return choose_batch_norm_backend(problem, policy, cudnn_usable(), tuned);
}

}  // namespace whisker::inline v0_1::kernels::cuda
