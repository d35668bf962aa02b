// What cuDNN makes of our graphs, asked for GPUs that are only described: no GPU is needed, and
// nothing is computed.
#define CATCH_CONFIG_RUNNER
#include <algorithm>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/conv2d_engines.h>
#include <whisker/kernels/cudnn/leaky_relu_plans.h>
#include <whisker/kernels/cudnn/tensor_descriptor.h>

#include "catch.h"
#include "cuda/conv2d_cases.h"

namespace whisker::testing {
namespace {

using namespace kernels::cudnn;
using kernels::Conv2dShape;
using kernels::cuda::Conv2dMath;
using kernels::cuda::Conv2dPass;

constexpr Conv2dPass kPasses[] = {Conv2dPass::forward, Conv2dPass::backward_data,
                                  Conv2dPass::backward_weight};
constexpr Conv2dMath kMaths[] = {Conv2dMath::float32, Conv2dMath::tf32, Conv2dMath::bfloat16};

// Named in cudnn_graph.h since cuDNN 9.8.
constexpr auto kDescriptionType = static_cast<cudnnBackendDescriptorType_t>(38);
constexpr auto kDescriptionJson = static_cast<cudnnBackendAttributeName_t>(2702);

struct DescribedGpu {
  const char* name;
  int capability, processors, shared_kilobytes;  // shared memory of a block
};
constexpr DescribedGpu kGpus[] = {
    {"A100", 800, 108, 163}, {"RTX 4090", 890, 128, 99}, {"H100", 900, 132, 227}};

/// The numbers that cuDNN otherwise asks the driver for.
std::string to_json(const DescribedGpu& gpu) {
  return str(R"({"deviceName": ")", gpu.name, R"(", "deviceVer": )", gpu.capability,
             R"(, "multiProcessorCount": )", gpu.processors,
             R"(, "maxSharedMemoryPerBlockOptin": )", gpu.shared_kilobytes * 1024,
             R"(, "maxSharedMemoryPerBlock": 49152,
    "reservedSharedMemoryPerBlock": 1024, "warpSize": 32, "regsPerBlock": 65536,
    "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64],
    "maxRegistersPerSM": 65536, "maxCtasPerSM": 24, "maxThreadsPerBlock": 1024,
    "maxThreadsPerSM": 1536, "pciDeviceId": 0, "isTccDriver": 0, "supportCoopLaunch": 1,
    "totalGlobalMem": 25769803776, "smClockRateKHz": 1400000, "memClockRateKHz": 1600000,
    "l2CacheSize": 41943040, "cudaDeviceId": 0, "driverVer": 13000})");
}

Descriptor describe(const DescribedGpu& gpu) {
  const std::string json = to_json(gpu);
  Descriptor description(kDescriptionType);
  description.set(kDescriptionJson, std::span<const char>(json));
  description.finalize();
  return description;
}

/// The first plan, if there is one.
std::vector<ExecutionPlan> first_plan(const Conv2dProblem& problem, const Descriptor& gpu,
                                      std::string_view wanted, std::string& why_not) {
  std::vector<ExecutionPlan> plans;
  why_not = visit_plans(problem, {.description = &gpu}, wanted, [&](ExecutionPlan plan) {
    plans.push_back(std::move(plan));
    return true;
  });
  return plans;
}

std::set<cudnnBackendNumericalNote_t> notes_of(const ExecutionPlan& plan) {
  const auto engines =
      plan.config.get_descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  const auto notes = engines.at(0).get_values<cudnnBackendNumericalNote_t>(
      CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  return {notes.begin(), notes.end()};
}

std::string to_string(const Conv2dProblem& problem) {
  return str(problem.shape.to_string(), ", pass ", static_cast<int>(problem.pass), ", math ",
             static_cast<int>(problem.math));
}

/// The article's convolutions at batch 64; transposed ones are backward_data of these.
const Conv2dShape kArticle[] = {
    same_shape(64, 128, 128, 3, 64, 5, 5, 2, 2),   same_shape(64, 64, 64, 64, 128, 5, 5, 2, 2),
    same_shape(64, 32, 32, 128, 256, 5, 5, 2, 2),  same_shape(64, 16, 16, 256, 512, 5, 5, 1, 1),
    same_shape(64, 16, 16, 512, 1024, 5, 5, 2, 2), same_shape(64, 128, 128, 3, 64, 5, 5, 1, 1)};

}  // namespace

TEST_CASE("cuDNN has a plan for every pass of the article's convolutions", "[cudnn]") {
  for (const DescribedGpu& gpu : kGpus) {
    const Descriptor description = describe(gpu);
    for (const Conv2dShape& shape : kArticle)
      for (const Conv2dPass pass : kPasses)
        for (const Conv2dMath math : kMaths) {
          const Conv2dProblem problem{pass, shape, math};
          INFO(gpu.name << ": " << to_string(problem));
          std::string why_not;
          const auto plans = first_plan(problem, description, {}, why_not);
          INFO(why_not);
          REQUIRE(plans.size() == 1);
          CHECK(plans[0].engine.starts_with("eng"));
          CHECK(plans[0].workspace_bytes <= kMaxWorkspaceBytes);
        }
  }
}

TEST_CASE("cuDNN's plans are deterministic and round no more than was allowed", "[cudnn]") {
  const Descriptor description = describe(kGpus[2]);
  for (const Conv2dPass pass : kPasses)
    for (const Conv2dMath math : kMaths) {
      const Conv2dProblem problem{pass, kArticle[1], math};
      INFO(to_string(problem));
      std::set<std::string> names;
      int plans = 0, with_tensor_cores = 0;
      visit_plans(problem, {.description = &description}, {}, [&](const ExecutionPlan& plan) {
        const auto notes = notes_of(plan);
        CHECK(notes.count(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) == 0);
        CHECK(notes.count(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) == 0);
        CHECK(notes.count(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) == 0);
        with_tensor_cores += static_cast<int>(notes.count(CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
        names.insert(plan.engine);
        ++plans;
        return false;
      });
      CHECK(plans > 0);
      CHECK(names.size() == static_cast<std::size_t>(plans));
      CHECK((with_tensor_cores > 0) == (math != Conv2dMath::float32));
    }
}

TEST_CASE("An engine of cuDNN is found again by its name", "[cudnn]") {
  const Descriptor description = describe(kGpus[0]);
  const Conv2dProblem problem{Conv2dPass::backward_data, kArticle[1], Conv2dMath::bfloat16};
  std::vector<std::string> names;
  visit_plans(problem, {.description = &description}, {}, [&](const ExecutionPlan& plan) {
    names.push_back(plan.engine);
    return false;
  });
  REQUIRE(names.size() > 1);
  std::string why_not;
  for (const std::string& name : {names.front(), names.back()}) {
    const auto plans = first_plan(problem, description, name, why_not);
    REQUIRE(plans.size() == 1);
    CHECK(plans[0].engine == name);
  }
  CHECK(first_plan(problem, description, "eng-1", why_not).empty());
  CHECK(why_not == "no deterministic and exact engine has this name");
}

TEST_CASE("cuDNN does not refuse the graph of any leaky ReLU", "[cudnn]") {
  const Descriptor description = describe(kGpus[2]);
  for (const bool backward : {false, true})
    for (const std::int64_t n : {3 * 4099, 64 * 64 * 64 * 128})
      for (const auto& [type, size] : {std::pair{CUDNN_DATA_FLOAT, 4}, {CUDNN_DATA_BFLOAT16, 2}})
        for (const std::int64_t alignment : {16, size}) {
          CAPTURE(backward, n, size, alignment);
          const LeakyReluProblem problem{
              .backward = backward, .n = n, .type = type, .slope = 0.2, .alignment = alignment};
          // The code of these engines is made here and loaded by the driver: where there is none,
          // or another GPU, there is no plan.
          CHECK_NOTHROW(visit_plans(problem, {.description = &description}, {},
                                    [](const ExecutionPlan&) { return true; }));
        }
}

TEST_CASE("cuDNN takes the rows of a batch norm as a picture", "[cudnn]") {
  const TensorLayout layout = nhwc_layout(1, 262'144, 1, 128);
  CHECK(TensorDescriptor(CUDNN_DATA_FLOAT, layout).get() != nullptr);
  CHECK(TensorDescriptor(kDataType<bfloat16>, layout).get() != nullptr);
  CHECK_THROWS_WITH(TensorDescriptor(CUDNN_DATA_FLOAT, nhwc_layout(1, 1 << 25, 1, 64)),
                    Catch::Contains("an array of 2147483648 elements"));
}

TEST_CASE("cuDNN takes the arrays of a call, with or without a workspace", "[cudnn]") {
  float array[4] = {}, workspace[4] = {};  // nobody looks at them
  CHECK(make_variant_pack(array, array, array, workspace).get() != nullptr);
  CHECK(make_variant_pack(array, array, array, nullptr).get() != nullptr);
}

TEST_CASE("cuDNN's reason is in the error", "[cudnn]") {
  Descriptor empty(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  CHECK_THROWS_WITH(empty.finalize(), Catch::Contains("cudnnBackendFinalize: CUDNN_STATUS_BAD_PARAM"
                                                      ": ") &&
                                          Catch::Contains("descriptor.h:"));
  CHECK_THROWS_WITH(empty.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_HEUR_MODE_A),
                    Catch::Contains("cudnnBackendSetAttribute(200): CUDNN_STATUS_BAD_PARAM"));
}

}  // namespace whisker::testing

int main(int argc, char** argv) {
  using namespace whisker::kernels::cudnn;
  constexpr int kSkipped = 77;  // as tests/CMakeLists.txt tells CTest
  constexpr std::size_t kFirstWithDescriptions = 90800;
  const auto lists = [](std::string_view argument) { return argument.starts_with("--list"); };
  if (std::none_of(argv + 1, argv + argc, lists) &&
      !(cudnn_available() && cudnn_api().get_version() >= kFirstWithDescriptions)) {
    std::cerr << "skipped: wants cuDNN 9.8; here: " << describe_cudnn() << '\n';
    return kSkipped;
  }
  return Catch::Session().run(argc, argv);
}
