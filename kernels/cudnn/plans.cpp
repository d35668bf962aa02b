#include <array>
#include <optional>
#include <set>
#include <utility>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cudnn/plans.h>

namespace whisker::inline v0_1::kernels::cudnn {
namespace {

using cuda::Conv2dMath;

// Named in cudnn_graph.h since cuDNN 9.8.
constexpr auto kHeuristicsDevice = static_cast<cudnnBackendAttributeName_t>(204);
constexpr auto kPlanDevice = static_cast<cudnnBackendAttributeName_t>(407);

Descriptor engine_of(const Descriptor& config) {
  return std::move(
      config.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1)
          .at(0));
}

/// Whether an engine gives equal bits for equal calls and rounds no more than `math` says.
bool is_exact_enough(const Descriptor& engine, Conv2dMath math) {
  const auto notes = engine.get_values<cudnnBackendNumericalNote_t>(
      CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  return std::none_of(notes.begin(), notes.end(), [math](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      // These transform images and lose digits in it.
      case CUDNN_NUMERICAL_NOTE_FFT:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return true;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:  // rounds float32 to TF32
        return math == Conv2dMath::float32;
      default:
        return false;
    }
  });
}

/// The engine's number and its settings.
std::string name_of(const Descriptor& engine, const Descriptor& config) {
  std::string name = str("eng", engine.get_value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
  for (const Descriptor& knob :
       config.get_descriptors(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                              CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS))
    name += str(
        "_k",
        static_cast<int>(knob.get_value<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE)),
        "=", knob.get_value<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  return name;
}

/// Null where cuDNN cannot make a plan of the configuration; `problem` then says why.
std::optional<ExecutionPlan> make_plan(const std::shared_ptr<const Descriptor>& graph,
                                       Descriptor config, std::string engine,
                                       const PlanTarget& target, std::string& problem) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  if (target.handle != nullptr) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
  if (target.description != nullptr) plan.set(kPlanDevice, *target.description);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  // The heuristics propose engines that turn out not to serve this very shape or device.
  const cudnnStatus_t status = plan.try_finalize();
  if (status != CUDNN_STATUS_SUCCESS) {
    problem = str(engine, ": ", cudnn_api().get_error_string(status));
    return std::nullopt;
  }
  const auto bytes = static_cast<std::size_t>(
      plan.get_value<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
  if (bytes > kMaxWorkspaceBytes) {
    problem = str(engine, ": wants a workspace of ", bytes >> 20, " MiB");
    return std::nullopt;
  }
  return ExecutionPlan{graph, std::move(config), std::move(plan), std::move(engine), bytes};
}

/// The configurations that a mode of the heuristics proposes, none if it does not know the graph.
std::vector<Descriptor> proposals(const Descriptor& graph, const PlanTarget& target,
                                  cudnnBackendHeurMode_t mode, std::string& problem) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (target.description != nullptr) heuristics.set(kHeuristicsDevice, *target.description);
  const cudnnStatus_t status = heuristics.try_finalize();
  if (status != CUDNN_STATUS_SUCCESS) {
    problem = str("heuristics: ", cudnn_api().get_error_string(status));
    return {};
  }
  return heuristics.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                    CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                                    heuristics.count_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS));
}

}  // namespace

Descriptor make_tensor(std::int64_t id, cudnnDataType_t type, const TensorLayout& layout,
                       std::int64_t alignment) {
  Descriptor descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  descriptor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  descriptor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(layout.extents));
  descriptor.set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(layout.strides));
  descriptor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment);
  descriptor.finalize();
  return descriptor;
}

std::shared_ptr<const Descriptor> make_graph(const Descriptor& operation,
                                             const PlanTarget& target) {
  auto graph = std::make_shared<Descriptor>(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph->set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  // Optional since cuDNN 9.8.
  if (target.handle != nullptr) graph->set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, target.handle);
  graph->finalize();
  return graph;
}

std::string visit_plans(const std::shared_ptr<const Descriptor>& graph, Conv2dMath math,
                        const PlanTarget& target, std::string_view wanted,
                        const std::function<bool(ExecutionPlan)>& visit) {
  std::string why = wanted.empty() ? "no engine is deterministic and exact enough"
                                   : "no deterministic and exact engine has this name";
  std::set<std::string> seen;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK}) {
    for (Descriptor& config : proposals(*graph, target, mode, why)) {
      const Descriptor engine = engine_of(config);
      if (!is_exact_enough(engine, math)) continue;
      std::string name = name_of(engine, config);
      if ((!wanted.empty() && name != wanted) || !seen.insert(name).second) continue;
      auto plan = make_plan(graph, std::move(config), std::move(name), target, why);
      if (plan && visit(std::move(*plan))) return why;
    }
  }
  return why;
}

Descriptor make_variant_pack(std::span<void* const> pointers, std::span<const std::int64_t> ids,
                             void* workspace) {
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, pointers);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids);
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace);
  pack.finalize();
  return pack;
}

}  // namespace whisker::inline v0_1::kernels::cudnn
