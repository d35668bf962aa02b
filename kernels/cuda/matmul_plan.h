// How a matrix product is cut into blocks: decided by the shape alone, so that results are too.
#pragma once

#include <algorithm>
#include <cstdint>

#include <whisker/kernels/cuda/index_divisor.h>
#include <whisker/kernels/matmul.h>

namespace whisker::inline v0_1::kernels::cuda {

/// A block computes a square tile of c over one part of k. With several parts c is their sum, added
/// in order by a second launch.
struct MatmulPlan {
  int tile = 64;                // 64 or 128
  std::int64_t parts = 1;       // of k
  std::int64_t k_per_part = 0;  // a multiple of kMatmulTileK
  std::int64_t tiles_m = 0, tiles_n = 0;

  friend bool operator==(const MatmulPlan&, const MatmulPlan&) = default;
};

inline constexpr std::int64_t kMatmulTileK = 32;  // every kernel's step along k divides it

inline MatmulPlan choose_matmul_plan(const MatmulShape& s) {
  constexpr std::int64_t kFullDevice = 128;           // blocks; about one for each multiprocessor
  constexpr std::int64_t kLeastK = 8 * kMatmulTileK;  // per part: fewer do not pay for the sum
  const auto tiles = [&](std::int64_t size) { return ceil_div(s.m, size) * ceil_div(s.n, size); };
  MatmulPlan plan;
  // A large tile reads less per product, but only many of them fill the device.
  plan.tile = std::min(s.m, s.n) > 64 && tiles(128) >= kFullDevice ? 128 : 64;
  plan.tiles_m = ceil_div(s.m, plan.tile);
  plan.tiles_n = ceil_div(s.n, plan.tile);
  const std::int64_t most = std::max<std::int64_t>(2 * kFullDevice / tiles(plan.tile), 1);
  const std::int64_t wanted = std::clamp<std::int64_t>(s.k / kLeastK, 1, most);
  plan.k_per_part = std::max<std::int64_t>(ceil_div(s.k, wanted * kMatmulTileK), 1) * kMatmulTileK;
  plan.parts = std::max<std::int64_t>(ceil_div(s.k, plan.k_per_part), 1);
  return plan;
}

/// Where a block puts its tile: c, or the partial products [parts, m, n] if these are not null.
template <class T>
struct MatmulOutput {
  T* c = nullptr;
  float* parts = nullptr;
  bool in_pairs = false;  // two neighbouring elements from an even column on are aligned to both
};

/// The product on tensor cores: bfloat16, or float rounded to TF32. Queues the launch alone.
template <class T>
void launch_matmul_mma(const T* a, const T* b, const MatmulOutput<T>& output,
                       const MatmulShape& shape, const MatmulPlan& plan, Context& context);

}  // namespace whisker::inline v0_1::kernels::cuda
