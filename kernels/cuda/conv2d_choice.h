// Which kernel computes a convolution.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <whisker/kernels/conv2d.h>

namespace whisker::inline v0_1::kernels::cuda {

enum class Conv2dPass { forward, backward_data, backward_weight };
/// What products are rounded to; sums are in float32 always.
enum class Conv2dMath { float32, tf32, bfloat16 };

enum class Conv2dAlgorithm {
  simt,          // f32 arithmetic; every shape and type
  mma,           // tensor cores; channels in multiples of 16 bytes
  few_channels,  // tensor cores; up to four input channels, as of pictures
};

/// A kernel and how it is launched.
struct Conv2dPlan {
  Conv2dAlgorithm algorithm = Conv2dAlgorithm::simt;
  int tile = 0;    // index into kMmaTiles
  int splits = 1;  // parts of k in backward_weight, summed in a second kernel; few_channels: blocks
  friend bool operator==(const Conv2dPlan&, const Conv2dPlan&) = default;
};

/// What the choice depends on besides the shape.
struct Conv2dFacts {
  Conv2dMath math = Conv2dMath::float32;
  int sm_count = 1;
  std::size_t max_shared_bytes = 48 * 1024;
  bool aligned = true;  // every pointer is a multiple of 16 bytes
};

/// Whether a plan computes this pass of this shape at all.
bool is_applicable(const Conv2dPlan& plan, Conv2dPass pass, const Conv2dShape& shape,
                   const Conv2dFacts& facts);

/// Every applicable algorithm and tile with the splits that suit it, the best guess first: by a
/// model of tiles, waves of blocks and bytes, as long as nothing was measured.
std::vector<Conv2dPlan> rank_conv2d_plans(Conv2dPass pass, const Conv2dShape& shape,
                                          const Conv2dFacts& facts);

/// The first of rank_conv2d_plans, or the first that `wanted` names ("simt", "few_channels",
/// "128x64", ...) if any of them is applicable. Throws Error if `wanted` is none of the names.
Conv2dPlan choose_conv2d_algorithm(Conv2dPass pass, const Conv2dShape& shape,
                                   const Conv2dFacts& facts, std::string_view wanted = {});

/// The names that choose_conv2d_algorithm takes.
std::string to_string(const Conv2dPlan& plan);

/// The environment variable WHISKER_CONV_TILE, read once; empty if it is not set.
std::string_view conv2d_override();

}  // namespace whisker::inline v0_1::kernels::cuda
