#include <algorithm>
#include <cstdint>
#include <utility>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/conv2d_choice.h>
#include <whisker/kernels/cuda/conv2d_few_channels.h>
#include <whisker/kernels/cuda/conv2d_plan.h>
#include <whisker/kernels/cuda/conv2d_tile.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

/// What the model below needs to know of a kernel. The rates are estimates from data sheets, in
/// products per clock and multiprocessor; measured tables shall replace the whole model.
struct Kernel {
  int block_m, block_n, block_k;
  int blocks_per_sm;
  double products_per_clock;
};

constexpr double kWorkspaceBytesPerClock = 3000.0;  // of the whole device, through L2
constexpr double kLaunchClocks = 4000.0;
constexpr std::int64_t kMaxWorkspaceBytes = std::int64_t{256} << 20;
constexpr int kMaxSplits = 256;
constexpr double kWorthCudnn = 1e9;  // operations, below which looking for an engine costs more
constexpr int kMinBlocksOfK = 8;     // of one split: fewer do not fill the ring of stages

int element_bytes(Conv2dMath math) {
  return math == Conv2dMath::bfloat16 ? 2 : 4;
}

Kernel kernel_of(const Conv2dPlan& plan, const Conv2dFacts& facts) {
  if (plan.algorithm == Conv2dAlgorithm::simt)
    return {kSimtBlock, kSimtBlock, kSimtBlockK, 4, 80.0};
  const MmaTile& tile = kMmaTiles[plan.tile];
  // Bytes that enter shared memory per product: 1 / block_m + 1 / block_n.
  const double traffic = 64.0 / tile.block_m + 64.0 / tile.block_n;
  const double peak = facts.math == Conv2dMath::bfloat16 ? 1024.0 : 512.0;
  const int by_shared = static_cast<int>(facts.max_shared_bytes) / tile.shared_bytes();
  return {tile.block_m, tile.block_n, kMmaBlockKBytes / element_bytes(facts.math),
          std::clamp(by_shared, 1, tile.blocks), peak / (0.6 + 0.4 * traffic)};
}

struct Sizes {
  std::int64_t m, n, k;
};

Sizes gemm_sizes(Conv2dPass pass, const Conv2dShape& s) {
  const std::int64_t taps = std::int64_t{s.kernel_h} * s.kernel_w;
  const std::int64_t y_pixels = s.batch * s.out_h() * s.out_w();
  switch (pass) {
    case Conv2dPass::forward:
      return {y_pixels, s.out_channels, taps * s.in_channels};
    case Conv2dPass::backward_data: {  // all phases as one, each tap being part of one of them
      const std::int64_t phases =
          std::min<std::int64_t>(s.stride_h, s.in_h) * std::min<std::int64_t>(s.stride_w, s.in_w);
      return {s.batch * s.in_h * s.in_w, s.in_channels,
              std::max<std::int64_t>(taps * s.out_channels / std::max<std::int64_t>(phases, 1), 1)};
    }
    case Conv2dPass::backward_weight:
      break;
  }
  return {s.out_channels, taps * s.in_channels, y_pixels};
}

/// Estimated clocks of a whole pass.
double clocks(const Kernel& kernel, const Sizes& sizes, int splits, int sm_count) {
  const std::int64_t blocks =
      ceil_div(sizes.m, kernel.block_m) * ceil_div(sizes.n, kernel.block_n) * splits;
  const std::int64_t steps = ceil_div(ceil_div(sizes.k, kernel.block_k), splits);
  // Blocks that share a multiprocessor share its rate.
  const std::int64_t slots = std::int64_t{sm_count} * kernel.blocks_per_sm;
  const std::int64_t full_waves = blocks / slots;
  const std::int64_t rest = ceil_div(blocks - full_waves * slots, sm_count);
  const double block_clocks = static_cast<double>(steps) * kernel.block_m * kernel.block_n *
                              kernel.block_k / kernel.products_per_clock;
  const double main = static_cast<double>(full_waves * kernel.blocks_per_sm + rest) * block_clocks;
  if (splits == 1) return main;
  const double bytes = 8.0 * static_cast<double>(sizes.m * sizes.n) * splits;
  return main + bytes / kWorkspaceBytesPerClock + kLaunchClocks;
}

int best_splits(const Kernel& kernel, const Sizes& sizes, int sm_count) {
  const std::int64_t by_k = ceil_div(sizes.k, kernel.block_k) / kMinBlocksOfK;
  const std::int64_t by_memory =
      kMaxWorkspaceBytes / (4 * std::max<std::int64_t>(sizes.m * sizes.n, 1));
  const auto limit =
      static_cast<int>(std::clamp<std::int64_t>(std::min(by_k, by_memory), 1, kMaxSplits));
  int best = 1;
  for (int splits = 2; splits <= limit; ++splits)
    if (clocks(kernel, sizes, splits, sm_count) < clocks(kernel, sizes, best, sm_count))
      best = splits;
  return best;
}

bool is_name(std::string_view name) {
  if (name == "simt" || name == "few_channels") return true;
  for (int tile = 0; tile < kMmaTileCount; ++tile)
    if (name == mma_tile_name(tile)) return true;
  return false;
}

std::string all_names() {
  std::string names = "simt, few_channels";
  for (int tile = 0; tile < kMmaTileCount; ++tile)
    names += (tile + 1 < kMmaTileCount ? ", " : " or ") + mma_tile_name(tile);
  return names;
}

}  // namespace

void check_plan(const Conv2dPlan& plan, Conv2dPass pass, const Conv2dShape& shape,
                const Conv2dFacts& facts) {
  check(is_applicable(plan, pass, shape, facts), "conv2d: the plan ", to_string(plan),
        " does not compute ", shape.to_string(), "; is_applicable tells beforehand");
}

std::string to_string(const Conv2dPlan& plan) {
  switch (plan.algorithm) {
    case Conv2dAlgorithm::simt:
      return "simt";
    case Conv2dAlgorithm::few_channels:
      return "few_channels";
    case Conv2dAlgorithm::cudnn:
      return plan.engine.empty() ? "cudnn" : "cudnn:" + plan.engine;
    case Conv2dAlgorithm::mma:
      break;
  }
  return mma_tile_name(plan.tile);
}

bool is_applicable(const Conv2dPlan& plan, Conv2dPass pass, const Conv2dShape& shape,
                   const Conv2dFacts& facts) {
  if (plan.algorithm == Conv2dAlgorithm::simt) return true;
  if (plan.algorithm == Conv2dAlgorithm::cudnn)
    return facts.cudnn && facts.aligned && shape.has_usual_padding() && shape.input_size() > 0 &&
           shape.output_size() > 0;
  if (facts.math == Conv2dMath::float32 || !facts.aligned) return false;
  if (plan.algorithm == Conv2dAlgorithm::few_channels)
    return few_channels_fit(pass, shape, facts.math, facts.max_shared_bytes);
  const int chunk = kChunkBytes / element_bytes(facts.math);
  return shape.in_channels % chunk == 0 && shape.out_channels % chunk == 0 &&
         static_cast<std::size_t>(kMmaTiles[plan.tile].shared_bytes()) <= facts.max_shared_bytes;
}

std::vector<Conv2dPlan> rank_conv2d_plans(Conv2dPass pass, const Conv2dShape& shape,
                                          const Conv2dFacts& facts) {
  const Sizes sizes = gemm_sizes(pass, shape);
  std::vector<std::pair<double, Conv2dPlan>> plans;
  const auto consider = [&](Conv2dPlan plan) {
    if (!is_applicable(plan, pass, shape, facts)) return;
    if (plan.algorithm == Conv2dAlgorithm::few_channels) {
      if (pass == Conv2dPass::backward_weight)
        plan.splits = few_channels_blocks(picture_tiles(shape).tiles, facts.sm_count);
      plans.emplace_back(0.0, plan);  // made for these shapes: bound by memory, not by products
      return;
    }
    const Kernel kernel = kernel_of(plan, facts);
    if (pass == Conv2dPass::backward_weight)
      plan.splits = best_splits(kernel, sizes, facts.sm_count);
    plans.emplace_back(clocks(kernel, sizes, plan.splits, facts.sm_count), plan);
  };
  consider({.algorithm = Conv2dAlgorithm::few_channels});
  for (int tile = 0; tile < kMmaTileCount; ++tile)
    consider({.algorithm = Conv2dAlgorithm::mma, .tile = tile});
  consider({.algorithm = Conv2dAlgorithm::simt});
  std::stable_sort(plans.begin(), plans.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });

  std::vector<Conv2dPlan> ranked;
  for (const auto& plan : plans)
    ranked.push_back(plan.second);
  return ranked;
}

Conv2dPlan choose_conv2d_algorithm(Conv2dPass pass, const Conv2dShape& shape,
                                   const Conv2dFacts& facts, std::string_view wanted) {
  check(wanted.empty() || is_name(wanted), "conv2d: there is no algorithm or tile '", wanted,
        "'; WHISKER_CONV_TILE is ", all_names());
  const std::vector<Conv2dPlan> plans = rank_conv2d_plans(pass, shape, facts);
  const auto named = std::find_if(plans.begin(), plans.end(), [&](const Conv2dPlan& plan) {
    return to_string(plan) == wanted;
  });
  return named != plans.end() ? *named : plans.front();
}

Conv2dPlan choose_conv2d_plan(Conv2dPass pass, const Conv2dShape& shape, const Conv2dFacts& facts,
                              const Conv2dWish& wish) {
  const Conv2dPlan cudnn{.algorithm = Conv2dAlgorithm::cudnn};
  const bool with_cudnn = wish.policy != Policy::own && is_applicable(cudnn, pass, shape, facts);
  check_found(kConv2dByCudnn, wish.policy, facts.cudnn);
  if (wish.policy == Policy::library && with_cudnn) return cudnn;
  const bool rounds = pass == Conv2dPass::backward_weight && facts.math == Conv2dMath::bfloat16;
  const bool may_take_cudnn = with_cudnn && !rounds;

  const Conv2dPlan own = choose_conv2d_algorithm(pass, shape, facts, wish.algorithm);
  if (!wish.algorithm.empty()) return own;
  if (wish.tuned && (wish.tuned->algorithm != Conv2dAlgorithm::cudnn || may_take_cudnn) &&
      is_applicable(*wish.tuned, pass, shape, facts))
    return *wish.tuned;
  const bool misses_tensor_cores =
      facts.math != Conv2dMath::float32 && own.algorithm == Conv2dAlgorithm::simt;
  return may_take_cudnn && misses_tensor_cores && shape.flops() >= kWorthCudnn ? cudnn : own;
}

}  // namespace whisker::inline v0_1::kernels::cuda
