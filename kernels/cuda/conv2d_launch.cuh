// Launches groups of implicit GEMMs; each pass instantiates them for its own GEMM.
#pragma once

#include <vector>

#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_choice.h>
#include <whisker/kernels/cuda/conv2d_mma.cuh>
#include <whisker/kernels/cuda/conv2d_simt.cuh>

namespace whisker::inline v0_1::kernels::cuda {

/// What one pass computes: c = a b + bias for each GEMM, in as many parts of k as `splits`, of
/// which part i goes to c + i * split_pitch.
template <class Gemm, class TA, class TB, class TC>
struct GemmCall {
  const char* name;
  const TA* a;
  const TB* b;
  const float* bias;
  TC* c;
  std::vector<Gemm> gemms;
  int splits = 1;
  std::int64_t split_pitch = 0;
};

/// Calls body(group) for groups of as many GEMMs as one launch takes.
template <class Gemm, class Body>
void for_each_group(const std::vector<Gemm>& gemms, int block_m, int block_n, const Body& body) {
  GemmGroup<Gemm> group;
  for (const Gemm& gemm : gemms) {
    group.add(gemm, block_m, block_n);
    if (group.count < Gemm::kMaxGroup) continue;
    body(group);
    group = {};
  }
  if (group.count > 0) body(group);
}

template <class Gemm>
dim3 gemm_grid(const GemmGroup<Gemm>& group, int splits) {
  return dim3(static_cast<unsigned>(group.tiles()), 1, static_cast<unsigned>(splits));
}

template <int kVector, class Gemm, class TA, class TB, class TC>
void launch_simt(const GemmCall<Gemm, TA, TB, TC>& call, const Context& context) {
  for_each_group(call.gemms, kSimtBlock, kSimtBlock, [&](const GemmGroup<Gemm>& group) {
    launch(LaunchConfig(call.name, gemm_grid(group, call.splits), kSimtThreads, context.stream),
           conv2d_simt_kernel<Gemm, kVector, TA, TB, TC>, call.a, call.b, call.bias, call.c,
           call.split_pitch, group);
  });
}

/// Four elements at a time where the shape and the pointers allow it.
template <class Gemm, class TA, class TB, class TC>
void launch_simt(const GemmCall<Gemm, TA, TB, TC>& call, const Conv2dShape& shape,
                 const Conv2dFacts& facts, const Context& context) {
  if (facts.aligned && shape.in_channels % 4 == 0 && shape.out_channels % 4 == 0)
    launch_simt<4>(call, context);
  else
    launch_simt<1>(call, context);
}

template <int kTile, class Gemm, class T, class TC>
void launch_mma_tile(const GemmCall<Gemm, T, T, TC>& call, const Context& context) {
  constexpr MmaTile kSizes = kMmaTiles[kTile];
  for_each_group(call.gemms, kSizes.block_m, kSizes.block_n, [&](const GemmGroup<Gemm>& group) {
    launch(LaunchConfig(call.name, gemm_grid(group, call.splits), kSizes.threads(), context.stream,
                        kSizes.shared_bytes()),
           conv2d_mma_kernel<Gemm, kTile, T, TC>, call.a, call.b, call.bias, call.c,
           call.split_pitch, group);
  });
}

/// The instantiation for kMmaTiles[tile].
template <int kTile = 0, class Gemm, class T, class TC>
void launch_mma(int tile, const GemmCall<Gemm, T, T, TC>& call, const Context& context) {
  if constexpr (kTile < kMmaTileCount) {
    if (tile == kTile) return launch_mma_tile<kTile>(call, context);
    launch_mma<kTile + 1>(tile, call, context);
  }
}

}  // namespace whisker::inline v0_1::kernels::cuda
