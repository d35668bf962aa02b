// Execution plans of cuDNN for convolutions.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <whisker/kernels/cudnn/conv2d.h>
#include <whisker/kernels/cudnn/plans.h>

namespace whisker::inline v0_1::kernels::cudnn {

// Names of the arrays in a plan.
inline constexpr std::int64_t kXId = 1, kWeightId = 2, kYId = 3;

/// Calls visit(plan) for every plan of list_conv2d_engines() in its order, or only for those of the
/// engine that is wanted, until one call returns true. Returns why there was no plan if there was
/// none.
std::string visit_plans(const Conv2dProblem& problem, const PlanTarget& target,
                        std::string_view wanted, const std::function<bool(ExecutionPlan)>& visit);

/// The arrays that a plan works on in one call; one of them is its result.
Descriptor make_variant_pack(const void* x, const void* weight, const void* y, void* workspace);

}  // namespace whisker::inline v0_1::kernels::cudnn
