// Who computes a convolution: our kernels or cuDNN.
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_tile.h>
#include <whisker/kernels/cuda/conv2d_tuning.h>

#include "catch.h"
#include "conv2d_cases.h"

namespace whisker::testing {
namespace {

using namespace kernels::cuda;
using kernels::Conv2dShape;

/// Large, and with channels that our tensor-core kernels do not take.
const Conv2dShape kOddChannels = same_shape(64, 32, 32, 61, 67, 5, 5, 2, 2);
const Conv2dShape kEvenChannels = same_shape(64, 32, 32, 64, 128, 5, 5, 2, 2);
const Conv2dPlan kCudnn{.algorithm = Conv2dAlgorithm::cudnn};

Conv2dFacts facts_with_cudnn() {
  return {
      .math = Conv2dMath::bfloat16, .sm_count = 132, .max_shared_bytes = 227 * 1024, .cudnn = true};
}

Conv2dPlan choose(const Conv2dShape& shape, const Conv2dFacts& facts, const Conv2dWish& wish) {
  return choose_conv2d_plan(Conv2dPass::forward, shape, facts, wish);
}

}  // namespace

TEST_CASE("conv2d takes our kernels where they use tensor cores", "[conv2d][choice]") {
  CHECK(choose(kEvenChannels, facts_with_cudnn(), {}).algorithm == Conv2dAlgorithm::mma);
}

TEST_CASE("conv2d takes cuDNN for much work that ours would do without tensor cores",
          "[conv2d][choice]") {
  CHECK(choose(kOddChannels, facts_with_cudnn(), {}) == kCudnn);
  Conv2dShape little = kOddChannels;
  little.batch = 1;
  little.in_h = little.in_w = 2;
  CHECK(choose(little, facts_with_cudnn(), {}).algorithm == Conv2dAlgorithm::simt);

  Conv2dFacts facts = facts_with_cudnn();
  facts.math = Conv2dMath::float32;  // no tensor cores in either
  CHECK(choose(kOddChannels, facts, {}).algorithm == Conv2dAlgorithm::simt);
  facts = facts_with_cudnn();
  facts.cudnn = false;
  CHECK(choose(kOddChannels, facts, {}).algorithm == Conv2dAlgorithm::simt);
  facts = facts_with_cudnn();
  facts.aligned = false;
  CHECK(choose(kOddChannels, facts, {}).algorithm == Conv2dAlgorithm::simt);
}

TEST_CASE("conv2d takes what was measured to be the fastest", "[conv2d][choice]") {
  const Conv2dPlan tile{.algorithm = Conv2dAlgorithm::mma, .tile = kMmaTileCount - 1};
  const Conv2dPlan engine{.algorithm = Conv2dAlgorithm::cudnn, .engine = "eng1_k2=3"};
  REQUIRE(choose(kEvenChannels, facts_with_cudnn(), {}) != tile);
  CHECK(choose(kEvenChannels, facts_with_cudnn(), {.tuned = tile}) == tile);
  CHECK(choose(kEvenChannels, facts_with_cudnn(), {.tuned = engine}) == engine);
  // The tile does not take such channels.
  CHECK(choose(kOddChannels, facts_with_cudnn(), {.tuned = tile}) == kCudnn);
  Conv2dFacts without = facts_with_cudnn();
  without.cudnn = false;
  CHECK(choose(kEvenChannels, without, {.tuned = engine}) == choose(kEvenChannels, without, {}));
}

TEST_CASE("conv2d does as it is told before it looks at measurements", "[conv2d][choice]") {
  const Conv2dPlan engine{.algorithm = Conv2dAlgorithm::cudnn, .engine = "eng1_k2=3"};
  const Conv2dFacts facts = facts_with_cudnn();
  CHECK(choose(kOddChannels, facts, {.policy = Policy::own, .tuned = engine}).algorithm ==
        Conv2dAlgorithm::simt);
  CHECK(choose(kEvenChannels, facts, {.policy = Policy::library}) == kCudnn);
  CHECK(to_string(choose(kEvenChannels, facts, {.algorithm = "64x64", .tuned = engine})) ==
        "64x64");

  Conv2dShape empty = kEvenChannels;
  empty.batch = 0;  // cuDNN takes no empty arrays, so not even its policy can have it
  CHECK(choose(empty, facts, {.policy = Policy::library}).algorithm != Conv2dAlgorithm::cudnn);
  Conv2dFacts without = facts;
  without.cudnn = false;
  CHECK_THROWS_WITH(choose(kEvenChannels, without, {.policy = Policy::library}),
                    Catch::Contains("WHISKER_CONV=cudnn, but cuDNN 9 was not found"));
}

TEST_CASE("The table of measurements tells devices, passes, shapes and types apart",
          "[conv2d][choice]") {
  constexpr int kDevice = 1000, kOther = 1001;  // none that a test computes on
  const Conv2dPlan plan{.algorithm = Conv2dAlgorithm::mma, .tile = 1};
  const Conv2dPlan later{.algorithm = Conv2dAlgorithm::mma, .tile = 2};
  const TunedConv2d row{.shape = kEvenChannels, .math = Conv2dMath::tf32, .plan = plan};
  TunedConv2d again = row;
  again.plan = later;
  set_tuned_conv2d(kDevice, {row});
  const auto find = [&](int device, Conv2dPass pass, const Conv2dShape& shape, Conv2dMath math) {
    return find_tuned_conv2d(device, pass, shape, math);
  };
  CHECK(find(kDevice, Conv2dPass::forward, kEvenChannels, Conv2dMath::tf32) == plan);
  CHECK(!find(kOther, Conv2dPass::forward, kEvenChannels, Conv2dMath::tf32));
  CHECK(!find(kDevice, Conv2dPass::backward_data, kEvenChannels, Conv2dMath::tf32));
  CHECK(!find(kDevice, Conv2dPass::forward, kEvenChannels, Conv2dMath::bfloat16));
  Conv2dShape shape = kEvenChannels;
  ++shape.padding.right;
  CHECK(!find(kDevice, Conv2dPass::forward, shape, Conv2dMath::tf32));
  set_tuned_conv2d(kDevice, {row, again});
  CHECK(find(kDevice, Conv2dPass::forward, kEvenChannels, Conv2dMath::tf32) == later);
  set_tuned_conv2d(kDevice, {});
  CHECK(!find(kDevice, Conv2dPass::forward, kEvenChannels, Conv2dMath::tf32));
}

}  // namespace whisker::testing
