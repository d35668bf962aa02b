// Execution plans of cuDNN for a leaky ReLU, which only its graphs have.
#pragma once

#include <whisker/kernels/cudnn/plans.h>

namespace whisker::inline v0_1::kernels::cudnn {

/// What an execution plan is made for: y from x, or dx from x and dy.
struct LeakyReluProblem {
  bool backward = false;
  std::int64_t n = 0;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  double slope = 0.0;
  std::int64_t alignment = 16;  // of all arrays, in bytes
  friend bool operator==(const LeakyReluProblem&, const LeakyReluProblem&) = default;
};

// Names of the arrays in a plan; the result is y or dx.
inline constexpr std::int64_t kReluXId = 1, kReluResultId = 2, kReluDyId = 3;

/// As visit_plans for a graph.
std::string visit_plans(const LeakyReluProblem& problem, const PlanTarget& target,
                        std::string_view wanted, const std::function<bool(ExecutionPlan)>& visit);

}  // namespace whisker::inline v0_1::kernels::cudnn
