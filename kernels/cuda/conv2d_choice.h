// Which kernel computes a convolution.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <whisker/kernels/conv2d.h>
#include <whisker/kernels/cuda/library_choice.h>

namespace whisker::inline v0_1::kernels::cuda {

enum class Conv2dPass { forward, backward_data, backward_weight };
using Conv2dMath = MathType;

enum class Conv2dAlgorithm {
  simt,          // f32 arithmetic; every shape and type
  mma,           // tensor cores; channels in multiples of 16 bytes
  few_channels,  // tensor cores; up to four input channels, as of pictures
  cudnn,         // NVIDIA's library, where it is installed
};

/// A kernel and how it is launched.
struct Conv2dPlan {
  Conv2dAlgorithm algorithm = Conv2dAlgorithm::simt;
  int tile = 0;    // index into kMmaTiles
  int splits = 1;  // parts of k in backward_weight, summed in a second kernel; few_channels: blocks
  std::string engine;  // of cuDNN, see kernels/cudnn/conv2d.h; empty for its own best guess
  friend bool operator==(const Conv2dPlan&, const Conv2dPlan&) = default;
};

/// What the choice depends on besides the shape.
struct Conv2dFacts {
  Conv2dMath math = Conv2dMath::float32;
  int sm_count = 1;
  std::size_t max_shared_bytes = 48 * 1024;
  bool aligned = true;  // every pointer is a multiple of 16 bytes
  bool cudnn = false;   // cuDNN was found
};

/// Whether a plan computes this pass of this shape at all.
bool is_applicable(const Conv2dPlan& plan, Conv2dPass pass, const Conv2dShape& shape,
                   const Conv2dFacts& facts);

/// Every applicable algorithm and tile of ours with the splits that suit it, the best guess first:
/// by a model of tiles, waves of blocks and bytes.
std::vector<Conv2dPlan> rank_conv2d_plans(Conv2dPass pass, const Conv2dShape& shape,
                                          const Conv2dFacts& facts);

/// The first of rank_conv2d_plans, or the first that `wanted` names ("simt", "few_channels",
/// "128x64", ...) if any of them is applicable. Throws Error if `wanted` is none of the names.
Conv2dPlan choose_conv2d_algorithm(Conv2dPass pass, const Conv2dShape& shape,
                                   const Conv2dFacts& facts, std::string_view wanted = {});

/// The names that choose_conv2d_algorithm takes; "cudnn" or "cudnn:<engine>".
std::string to_string(const Conv2dPlan& plan);

/// What was asked for, and what was measured.
struct Conv2dWish {
  Policy policy = Policy::automatic;
  std::string_view algorithm;       // as `wanted` of choose_conv2d_algorithm
  std::optional<Conv2dPlan> tuned;  // the fastest here, by measurement
};

/// The choice: cuDNN if the policy says so; else the algorithm wished for; else what was tuned;
/// else cuDNN for much work that none of our kernels does on tensor cores although it may; else our
/// best guess. What is not applicable is passed over, and so is cuDNN,
/// unless the policy asks for it, where it would round gradients of weights to bfloat16. Throws
/// Error if the policy asks for it and there is none.
Conv2dPlan choose_conv2d_plan(Conv2dPass pass, const Conv2dShape& shape, const Conv2dFacts& facts,
                              const Conv2dWish& wish);

}  // namespace whisker::inline v0_1::kernels::cuda
