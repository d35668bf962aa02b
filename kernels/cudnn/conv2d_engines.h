// Execution plans of cuDNN: found by its heuristics, filtered, and kept.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <whisker/kernels/cudnn/conv2d.h>
#include <whisker/kernels/cudnn/descriptor.h>

namespace whisker::inline v0_1::kernels::cudnn {

// Names of the arrays in a plan.
inline constexpr std::int64_t kXId = 1, kWeightId = 2, kYId = 3;

/// A plan that can be executed, with the descriptors that it was made of.
struct ExecutionPlan {
  std::shared_ptr<const Descriptor> graph;
  Descriptor config, plan;
  std::string engine;
  std::size_t workspace_bytes = 0;
};

/// The GPU that plans are made for: one of this machine by its handle, or one that is only
/// described (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR of cuDNN 9.8 or more), whose plans cannot be
/// executed.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* description = nullptr;
};

/// Calls visit(plan) for every plan of list_conv2d_engines() in its order, or only for those of the
/// engine that is wanted, until one call returns true. Returns why there was no plan if there was
/// none.
std::string visit_plans(const Conv2dProblem& problem, const PlanTarget& target,
                        std::string_view wanted, const std::function<bool(ExecutionPlan)>& visit);

/// The arrays that a plan works on in one call; one of them is its result.
Descriptor make_variant_pack(const void* x, const void* weight, const void* y, void* workspace);

}  // namespace whisker::inline v0_1::kernels::cudnn
