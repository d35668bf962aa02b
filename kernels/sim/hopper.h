// What a block has under way in the asynchronous engines of sm_90.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <whisker/kernels/sim/ptx_hopper.h>

namespace whisker::inline v0_1::kernels::sim {

/// The wgmma instructions of one warp.
struct WarpProducts {
  struct Issued {
    MatrixProduct product;
    std::array<float*, kWarpSize> d;
    CallSite site;
  };

  std::deque<Issued> queue;        // not computed yet
  std::deque<std::size_t> groups;  // how many were issued up to each commit
  std::size_t issued = 0;
  bool fenced = false;
};

/// The TMA stores of one thread.
struct BulkStores {
  struct Store {
    CUtensorMap map;
    std::uint32_t shared;
    TileCoordinates at;
    CallSite site;
  };

  std::deque<Store> stores;
  std::deque<std::size_t> groups;
  std::size_t uncommitted = 0;
};

struct HopperState {
  std::vector<WarpProducts> warps;
  std::vector<BulkStores> threads;

  void begin_block(unsigned thread_count);
  /// What a block must not end with; empty if there is nothing.
  std::string unfinished() const;
};

}  // namespace whisker::inline v0_1::kernels::sim
