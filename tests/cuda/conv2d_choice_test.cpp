// Which kernel computes a convolution.
#include <whisker/kernels/cuda/conv2d_choice.h>
#include <whisker/kernels/cuda/conv2d_tile.h>

#include "catch.h"
#include "conv2d_cases.h"

namespace whisker::testing {
namespace {

using namespace kernels::cuda;
using kernels::Conv2dShape;

constexpr Conv2dPass kPasses[] = {Conv2dPass::forward, Conv2dPass::backward_data,
                                  Conv2dPass::backward_weight};
constexpr Conv2dFacts kHopper{
    .math = Conv2dMath::bfloat16, .sm_count = 132, .max_shared_bytes = 227 * 1024};

const Conv2dShape kWide = same_shape(64, 16, 16, 512, 1024, 5, 5, 2, 2);
const Conv2dShape kPicture = same_shape(64, 128, 128, 3, 64, 5, 5, 2, 2);
const Conv2dShape kOdd = same_shape(4, 9, 9, 17, 35, 3, 3, 1, 1);

Conv2dAlgorithm algorithm_of(Conv2dPass pass, const Conv2dShape& shape, const Conv2dFacts& facts) {
  return choose_conv2d_algorithm(pass, shape, facts).algorithm;
}

}  // namespace

TEST_CASE("conv2d chooses tensor cores for wide layers and the right kernels for others",
          "[conv2d][choice]") {
  Conv2dFacts exact = kHopper, tf32 = kHopper, askew = kHopper;
  exact.math = Conv2dMath::float32;
  tf32.math = Conv2dMath::tf32;
  askew.aligned = false;
  for (const Conv2dPass pass : kPasses) {
    CHECK(algorithm_of(pass, kWide, kHopper) == Conv2dAlgorithm::mma);
    CHECK(algorithm_of(pass, kWide, tf32) == Conv2dAlgorithm::mma);
    CHECK(algorithm_of(pass, kWide, exact) == Conv2dAlgorithm::simt);
    CHECK(algorithm_of(pass, kWide, askew) == Conv2dAlgorithm::simt);
    CHECK(algorithm_of(pass, kPicture, kHopper) == Conv2dAlgorithm::few_channels);
    CHECK(algorithm_of(pass, kPicture, tf32) == Conv2dAlgorithm::few_channels);
    CHECK(algorithm_of(pass, kOdd, kHopper) == Conv2dAlgorithm::simt);
  }
}

TEST_CASE("conv2d chooses large tiles where they fill the device, and small ones where not",
          "[conv2d][choice]") {
  const auto tile_of = [](const Conv2dShape& shape) {
    return to_string(choose_conv2d_algorithm(Conv2dPass::forward, shape, kHopper));
  };
  CHECK(tile_of(same_shape(64, 64, 64, 256, 512, 5, 5, 1, 1)) == "256x128");
  CHECK(tile_of(same_shape(64, 64, 64, 256, 64, 5, 5, 1, 1)) == "256x64");
  CHECK(tile_of(same_shape(2, 8, 8, 64, 64, 3, 3, 1, 1)) == "64x64");
}

TEST_CASE("conv2d splits a long sum of few results among all multiprocessors", "[conv2d][choice]") {
  // 128 x 1600 results are 13 tiles of 128 x 128, sums of 65,536 pixels.
  const Conv2dShape shape = same_shape(64, 64, 64, 64, 128, 5, 5, 2, 2);
  const Conv2dPlan plan = choose_conv2d_algorithm(Conv2dPass::backward_weight, shape, kHopper);
  const MmaTile& tile = kMmaTiles[plan.tile];
  const int tiles = ceil_div(128, tile.block_m) * ceil_div(1600, tile.block_n);
  CHECK(tiles * plan.splits >= 119);  // nine in ten
  CHECK(choose_conv2d_algorithm(Conv2dPass::forward, shape, kHopper).splits == 1);
  // Nothing is gained by splitting what already fills the device many times over.
  const Conv2dShape large = same_shape(1, 16, 16, 2048, 2048, 5, 5, 1, 1);
  CHECK(choose_conv2d_algorithm(Conv2dPass::backward_weight, large, kHopper).splits == 1);
}

TEST_CASE("conv2d's override names any kernel and holds where that is applicable",
          "[conv2d][choice]") {
  for (const Conv2dPass pass : kPasses) {
    for (int tile = 0; tile < kMmaTileCount; ++tile)
      CHECK(choose_conv2d_algorithm(pass, kWide, kHopper, mma_tile_name(tile)).tile == tile);
    CHECK(to_string(choose_conv2d_algorithm(pass, kWide, kHopper, "simt")) == "simt");
    CHECK(to_string(choose_conv2d_algorithm(pass, kPicture, kHopper, "few_channels")) ==
          "few_channels");
    CHECK(to_string(choose_conv2d_algorithm(pass, kOdd, kHopper, "128x64")) == "simt");
  }
  CHECK_THROWS_WITH(choose_conv2d_algorithm(Conv2dPass::forward, kWide, kHopper, "256x256"),
                    Catch::Contains("conv2d: there is no algorithm or tile '256x256'; "
                                    "WHISKER_CONV_TILE is simt, few_channels, 256x128, 128x256, "
                                    "128x128, 256x64, 128x64 or 64x64"));
}

TEST_CASE("every plan that conv2d ranks is applicable, and every applicable kernel is ranked",
          "[conv2d][choice]") {
  for (const Conv2dPass pass : kPasses)
    for (const Conv2dShape& shape : {kWide, kPicture, kOdd})
      for (const std::size_t shared : {std::size_t{48} << 10, std::size_t{99} << 10}) {
        Conv2dFacts facts = kHopper;
        facts.max_shared_bytes = shared;
        const std::vector<Conv2dPlan> plans = rank_conv2d_plans(pass, shape, facts);
        std::size_t applicable = 0;
        for (const Conv2dAlgorithm algorithm :
             {Conv2dAlgorithm::simt, Conv2dAlgorithm::few_channels})
          applicable += is_applicable({.algorithm = algorithm}, pass, shape, facts);
        for (int tile = 0; tile < kMmaTileCount; ++tile)
          applicable +=
              is_applicable({.algorithm = Conv2dAlgorithm::mma, .tile = tile}, pass, shape, facts);
        CHECK(plans.size() == applicable);
        for (const Conv2dPlan& plan : plans)
          CHECK(is_applicable(plan, pass, shape, facts));
      }
}

}  // namespace whisker::testing
