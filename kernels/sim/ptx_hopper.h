// The simulator's twins of the wrappers in kernels/cuda/ptx_hopper.h.
#pragma once

#include <array>
#include <cstdint>

#include <whisker/kernels/sim/tensor_map.h>
#include <whisker/kernels/sim/thread.h>

namespace whisker::inline v0_1::kernels::sim {

using TileCoordinates = std::array<int, 5>;

void tma_load(void* shared, const CUtensorMap& map, std::uint64_t* mbarrier,
              const TileCoordinates& at, CallSite site);
void tma_store(const CUtensorMap& map, const void* shared, const TileCoordinates& at,
               CallSite site);
void bulk_wait(unsigned newest);

struct MatrixProduct {
  std::uint64_t a, b;  // descriptors
  int columns;         // N
  bool a_is_mn_major, b_is_mn_major;
};
void wgmma(const MatrixProduct& product, float* d, CallSite site);
void wgmma_wait_groups(unsigned newest, CallSite site);

}  // namespace whisker::inline v0_1::kernels::sim

namespace whisker::inline v0_1::kernels::cuda::ptx {

void mbarrier_init(std::uint64_t* mbarrier, std::uint32_t arrivals);
void mbarrier_arrive(std::uint64_t* mbarrier);
void mbarrier_arrive_expect_tx(std::uint64_t* mbarrier, std::uint32_t bytes);
void mbarrier_wait(std::uint64_t* mbarrier, std::uint32_t parity, CallSite site = CallSite::here());
// Whether these are missing is not checked.
inline void fence_mbarrier_init() {}
inline void fence_proxy_async() {}

/// The tile is all ones from here on; it arrives when no thread of the block can go on, or at a
/// random moment in random order.
inline void tma_load_2d(void* shared, const CUtensorMap* map, std::uint64_t* mbarrier, int c0,
                        int c1, CallSite site = CallSite::here()) {
  sim::tma_load(shared, *map, mbarrier, {c0, c1}, site);
}
inline void tma_load_3d(void* shared, const CUtensorMap* map, std::uint64_t* mbarrier, int c0,
                        int c1, int c2, CallSite site = CallSite::here()) {
  sim::tma_load(shared, *map, mbarrier, {c0, c1, c2}, site);
}
inline void tma_load_4d(void* shared, const CUtensorMap* map, std::uint64_t* mbarrier, int c0,
                        int c1, int c2, int c3, CallSite site = CallSite::here()) {
  sim::tma_load(shared, *map, mbarrier, {c0, c1, c2, c3}, site);
}
inline void tma_load_5d(void* shared, const CUtensorMap* map, std::uint64_t* mbarrier, int c0,
                        int c1, int c2, int c3, int c4, CallSite site = CallSite::here()) {
  sim::tma_load(shared, *map, mbarrier, {c0, c1, c2, c3, c4}, site);
}
/// The tile is read and written in the wait that completes it.
inline void tma_store_2d(const CUtensorMap* map, const void* shared, int c0, int c1,
                         CallSite site = CallSite::here()) {
  sim::tma_store(*map, shared, {c0, c1}, site);
}
inline void tma_store_4d(const CUtensorMap* map, const void* shared, int c0, int c1, int c2, int c3,
                         CallSite site = CallSite::here()) {
  sim::tma_store(*map, shared, {c0, c1, c2, c3}, site);
}
void bulk_commit();
template <int N>
void bulk_wait() {
  sim::bulk_wait(N);
}
template <int N>
void bulk_wait_read() {
  sim::bulk_wait(N);
}

enum class Major { kK, kMn };
std::uint64_t matrix_descriptor(const void* shared, std::uint32_t leading_bytes,
                                std::uint32_t stride_bytes);
void wgmma_fence(CallSite site = CallSite::here());
void wgmma_commit(CallSite site = CallSite::here());
/// Products are computed here: until then the accumulators keep what they were.
template <int N>
void wgmma_wait(CallSite site = CallSite::here()) {
  sim::wgmma_wait_groups(N, site);
}
template <int N, Major kA = Major::kK, Major kB = Major::kK>
void wgmma_m64k16_bf16(float (&d)[N / 2], std::uint64_t a, std::uint64_t b,
                       CallSite site = CallSite::here()) {
  static_assert(N % 8 == 0 && N >= 8 && N <= 256);
  sim::wgmma({a, b, N, kA == Major::kMn, kB == Major::kMn}, d, site);
}

}  // namespace whisker::inline v0_1::kernels::cuda::ptx
