// Plans are kept for each problem, device and stream; a call fills a variant pack (what the arrays
// of a plan are this time) and queues the plan.
#pragma once

#include <whisker/kernels/cuda/current_device.h>
#include <whisker/kernels/cudnn/plans.h>

namespace whisker::inline v0_1::kernels::cudnn {

/// The plan of one problem on one stream that was asked for. No plan: cuDNN has none.
template <class Problem>
struct CachedPlan {
  int device;
  cudaStream_t stream;
  Problem problem;
  std::string wanted;  // engine, or empty for the first
  std::shared_ptr<const ExecutionPlan> plan;
  std::string why_not;
};

/// The first plan of visit_plans(problem, ...). Needs cudnn_mutex(). A net has some dozens of
/// problems, so a list is searched fast enough.
template <class Problem>
const CachedPlan<Problem>& find_plan(const Problem& problem, std::string_view wanted,
                                     const cuda::Context& context) {
  static auto& plans = *new std::vector<std::unique_ptr<const CachedPlan<Problem>>>;
  for (const auto& known : plans)
    if (known->device == context.device && known->stream == context.stream &&
        known->wanted == wanted && known->problem == problem)
      return *known;

  const cuda::CurrentDevice current(context.device);
  CachedPlan<Problem> found{context.device,      context.stream, problem,
                            std::string(wanted), nullptr,        {}};
  found.why_not = visit_plans(problem, {cudnn_handle(context)}, wanted, [&](ExecutionPlan plan) {
    found.plan = std::make_shared<const ExecutionPlan>(std::move(plan));
    return true;
  });
  plans.push_back(std::make_unique<const CachedPlan<Problem>>(std::move(found)));
  return *plans.back();
}

/// Queues a plan on the arrays of make_pack(workspace). Needs cudnn_mutex().
template <class MakePack>
void execute_plan(const ExecutionPlan& plan, const MakePack& make_pack, cuda::Context& context) {
  const Buffer workspace =
      plan.workspace_bytes > 0 ? context.allocate(plan.workspace_bytes) : nullptr;
  const Descriptor pack = make_pack(workspace.get());
  check_cudnn(cudnn_api().execute(cudnn_handle(context), plan.plan.get(), pack.get()),
              "cudnnBackendExecute");
}

}  // namespace whisker::inline v0_1::kernels::cudnn
