// Execution plans of cuDNN for graphs of one operation: found by its heuristics and filtered.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <whisker/kernels/cuda/conv2d_choice.h>
#include <whisker/kernels/cudnn/conv2d_layout.h>
#include <whisker/kernels/cudnn/descriptor.h>

namespace whisker::inline v0_1::kernels::cudnn {

/// Memory that an engine may ask for.
inline constexpr std::size_t kMaxWorkspaceBytes = std::size_t{512} << 20;

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

/// An array of a graph, named by its id; addresses are multiples of `alignment` bytes.
Descriptor make_tensor(std::int64_t id, cudnnDataType_t type, const TensorLayout& layout,
                       std::int64_t alignment = 16);

/// A graph of one operation.
std::shared_ptr<const Descriptor> make_graph(const Descriptor& operation, const PlanTarget& target);

/// Calls visit(plan) for every plan of the graph that is deterministic and rounds no factor more
/// than `math` says, the best guess of cuDNN first, or only for those of the engine that is wanted,
/// until one call returns true. Returns why there was no plan if there was none.
std::string visit_plans(const std::shared_ptr<const Descriptor>& graph, cuda::Conv2dMath math,
                        const PlanTarget& target, std::string_view wanted,
                        const std::function<bool(ExecutionPlan)>& visit);

/// The arrays that a plan works on in one call, by their ids.
Descriptor make_variant_pack(std::span<void* const> pointers, std::span<const std::int64_t> ids,
                             void* workspace);

}  // namespace whisker::inline v0_1::kernels::cudnn
