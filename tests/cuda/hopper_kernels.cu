#include <whisker/kernels/cuda/gpu.h>
#include <whisker/kernels/cuda/ptx_hopper.h>
#include <whisker/kernels/cuda/tensor_map.h>

#include "cuda/device_array.h"
#include "hopper_kernels.h"

namespace whisker::testing {
namespace {

using kernels::cuda::launch;
using kernels::cuda::LaunchConfig;
using kernels::cuda::make_tensor_map;
namespace ptx = kernels::cuda::ptx;

constexpr unsigned kRowBytes = 128;  // of a swizzled tile: 64 elements
constexpr unsigned kGroup = 128;     // threads of a warpgroup

CUtensorMap map_2d(const bfloat16* base, int rows, int columns, int box_rows) {
  return make_tensor_map(
      {.base = base,
       .rank = 2,
       .size = {static_cast<std::uint64_t>(columns), static_cast<std::uint64_t>(rows)},
       .stride = {0, static_cast<std::uint64_t>(columns) * 2},
       .box = {64, static_cast<std::uint32_t>(box_rows)}});
}

__device__ void start_mbarrier(std::uint64_t* mbarrier, unsigned arrivals) {
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(mbarrier, arrivals);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
}

__global__ void tma_copy_kernel(const __grid_constant__ CUtensorMap from,
                                const __grid_constant__ CUtensorMap to, int row, int column) {
  WHISKER_DYNAMIC_SHARED(tile);
  WHISKER_SHARED(std::uint64_t, arrived, [1]);
  start_mbarrier(arrived, 1);
  if (threadIdx.x > 0) return;
  ptx::mbarrier_arrive_expect_tx(arrived, 16 * kRowBytes);
  ptx::tma_load_2d(tile, &from, arrived, column, row);
  ptx::mbarrier_wait(arrived, 0);
  ptx::tma_store_2d(&to, tile, 0, 0);
  ptx::bulk_commit();
  ptx::bulk_wait<0>();
}

__global__ void tma_layout_kernel(const __grid_constant__ CUtensorMap from, std::uint16_t* words) {
  WHISKER_DYNAMIC_SHARED(tile);
  WHISKER_SHARED(std::uint64_t, arrived, [1]);
  start_mbarrier(arrived, 1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect_tx(arrived, 8 * kRowBytes);
    ptx::tma_load_2d(tile, &from, arrived, 0, 0);
  }
  ptx::mbarrier_wait(arrived, 0);
  for (unsigned i = threadIdx.x; i < 512; i += blockDim.x)
    words[i] = reinterpret_cast<const std::uint16_t*>(tile)[i];
}

// The bytes of the tile as they lie in shared memory, one after the other.
template <int kRank>
__global__ void tma_load_kernel(const __grid_constant__ CUtensorMap from, TileAt at,
                                std::uint16_t* words) {
  WHISKER_DYNAMIC_SHARED(tile);
  WHISKER_SHARED(std::uint64_t, arrived, [1]);
  constexpr unsigned kRows = 1u << (kRank - 1);
  start_mbarrier(arrived, 1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect_tx(arrived, kRows * kRowBytes);
    if constexpr (kRank == 2) ptx::tma_load_2d(tile, &from, arrived, at.c[0], at.c[1]);
    if constexpr (kRank == 3) ptx::tma_load_3d(tile, &from, arrived, at.c[0], at.c[1], at.c[2]);
    if constexpr (kRank == 4)
      ptx::tma_load_4d(tile, &from, arrived, at.c[0], at.c[1], at.c[2], at.c[3]);
    if constexpr (kRank == 5)
      ptx::tma_load_5d(tile, &from, arrived, at.c[0], at.c[1], at.c[2], at.c[3], at.c[4]);
  }
  ptx::mbarrier_wait(arrived, 0);
  for (unsigned i = threadIdx.x; i < kRows * 64; i += blockDim.x)
    words[i] = reinterpret_cast<const std::uint16_t*>(tile)[i];
}

// Stores the words 1, 2, ... of shared memory, which is overwritten as soon as it has been read.
template <int kRank>
__global__ void tma_store_kernel(const __grid_constant__ CUtensorMap to, TileAt at) {
  WHISKER_DYNAMIC_SHARED(tile);
  auto* words = reinterpret_cast<std::uint16_t*>(tile);
  constexpr unsigned kWords = 64u << (kRank - 1);
  for (unsigned i = threadIdx.x; i < kWords; i += blockDim.x)
    words[i] = static_cast<std::uint16_t>(i + 1);
  ptx::fence_proxy_async();
  __syncthreads();
  if (threadIdx.x > 0) return;
  if constexpr (kRank == 2) ptx::tma_store_2d(&to, tile, at.c[0], at.c[1]);
  if constexpr (kRank == 4) ptx::tma_store_4d(&to, tile, at.c[0], at.c[1], at.c[2], at.c[3]);
  ptx::bulk_commit();
  ptx::bulk_wait_read<0>();
  for (unsigned i = 0; i < kWords; ++i)
    words[i] = 0;
  ptx::bulk_wait<0>();
}

// Three warps write and arrive, the first one reads: phase after phase.
__global__ void phases_kernel(int phases, int* sums) {
  WHISKER_SHARED(std::uint64_t, written, [1]);
  WHISKER_SHARED(std::uint64_t, read, [1]);
  WHISKER_SHARED(int, cells, [3]);
  if (threadIdx.x == 0) ptx::mbarrier_init(read, 1);
  start_mbarrier(written, 3);
  if (threadIdx.x % 32 > 0) return;
  for (int phase = 0; phase < phases; ++phase) {
    if (threadIdx.x > 0) {
      const int writer = static_cast<int>(threadIdx.x / 32) - 1;
      cells[writer] = (phase + 1) << (4 * writer);
      ptx::mbarrier_arrive(written);
      ptx::mbarrier_wait(read, phase & 1);
    } else {
      ptx::mbarrier_wait(written, phase & 1);
      sums[phase] = cells[0] + cells[1] + cells[2];
      ptx::mbarrier_arrive(read);
    }
  }
}

template <int N, ptx::Major kA, ptx::Major kB>
__global__ void __launch_bounds__(kGroup)
    wgmma_kernel(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b,
                 float* registers) {
  constexpr bool kAlongM = kA == ptx::Major::kMn, kAlongN = kB == ptx::Major::kMn;
  constexpr unsigned kRowsB = kAlongN ? (N + 63) / 64 * 64 : N;
  WHISKER_DYNAMIC_SHARED(tile_a);
  WHISKER_SHARED(std::uint64_t, arrived, [1]);
  unsigned char* tile_b = tile_a + 64 * kRowBytes;
  start_mbarrier(arrived, 1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect_tx(arrived, (64 + kRowsB) * kRowBytes);
    ptx::tma_load_2d(tile_a, &a, arrived, 0, 0);
    if (kAlongN) {  // boxes of 64 columns, one after the other
      for (int n = 0; n < N; n += 64)
        ptx::tma_load_2d(tile_b + n * kRowBytes, &b, arrived, n, 0);
    } else {
      ptx::tma_load_2d(tile_b, &b, arrived, 0, 0);
    }
  }
  ptx::mbarrier_wait(arrived, 0);
  float d[N / 2] = {};
  ptx::wgmma_fence();
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    // 16 of K are 32 bytes of each row or 16 rows.
    constexpr unsigned kStepA = kAlongM ? 16 * kRowBytes : 32;
    constexpr unsigned kStepB = kAlongN ? 16 * kRowBytes : 32;
    ptx::wgmma_m64k16_bf16<N, kA, kB>(
        d, ptx::matrix_descriptor(tile_a + k * kStepA, 64 * kRowBytes, 8 * kRowBytes),
        ptx::matrix_descriptor(tile_b + k * kStepB, 64 * kRowBytes, 8 * kRowBytes));
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  for (unsigned i = 0; i < N / 2; ++i)
    registers[threadIdx.x * (N / 2) + i] = d[i];
}

template <HopperBug kBug>
__global__ void __launch_bounds__(2 * kGroup)
    ring_kernel(const __grid_constant__ CUtensorMap x, int steps, float* y) {
  WHISKER_DYNAMIC_SHARED(tile);
  WHISKER_SHARED(std::uint64_t, full, [1]);
  WHISKER_SHARED(std::uint64_t, empty, [1]);
  if (threadIdx.x == 0) ptx::mbarrier_init(empty, 1);
  start_mbarrier(full, 1);
  if (threadIdx.x >= kGroup) {  // the producer
    if (threadIdx.x > kGroup) return;
    for (int step = 0; step < steps; ++step) {
      ptx::mbarrier_wait(empty, (step & 1) ^ 1);
      ptx::mbarrier_arrive_expect_tx(full, 64 * kRowBytes);
      ptx::tma_load_2d(tile, &x, full, 0, 64 * step);
    }
    return;
  }
  float d[32] = {};
  for (int step = 0; step < steps; ++step) {
    if (kBug != HopperBug::kNoWaitForTile || step > 0) ptx::mbarrier_wait(full, step & 1);
    ptx::wgmma_fence();
    const std::uint64_t operand = ptx::matrix_descriptor(tile, 16, 8 * kRowBytes);
    ptx::wgmma_m64k16_bf16<64>(d, operand, operand);
    ptx::wgmma_commit();
    if (kBug == HopperBug::kReleasedTooEarly && threadIdx.x == 0) ptx::mbarrier_arrive(empty);
    if (kBug != HopperBug::kNoWaitForProduct) ptx::wgmma_wait<0>();
    if (kBug != HopperBug::kReleasedTooEarly && threadIdx.x == 0) ptx::mbarrier_arrive(empty);
  }
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  if (lane % 4 == 0) {
    y[16 * warp + lane / 4] = d[0];
    y[16 * warp + lane / 4 + 8] = d[2];
  }
}

template <int N, ptx::Major kA, ptx::Major kB>
std::vector<float> registers_of(const std::vector<bfloat16>& a, const std::vector<bfloat16>& b) {
  const DeviceArray<bfloat16> device_a(a), device_b(b);
  const DeviceArray<float> registers(64 * N);
  const bool along_n = kB == ptx::Major::kMn;
  launch(LaunchConfig("wgmma", 1, kGroup, test_context().stream,
                      (64 + (along_n ? (N + 63) / 64 * 64 : N)) * kRowBytes),
         wgmma_kernel<N, kA, kB>, map_2d(device_a.get(), 64, 64, 64),
         along_n ? map_2d(device_b.get(), 64, N, 64) : map_2d(device_b.get(), N, 64, N),
         registers.get());
  return registers.download();
}

template <int N>
std::vector<float> registers_of(const std::vector<bfloat16>& a, const std::vector<bfloat16>& b,
                                bool along_m, bool along_n) {
  using enum ptx::Major;
  if (along_m) return along_n ? registers_of<N, kMn, kMn>(a, b) : registers_of<N, kMn, kK>(a, b);
  return along_n ? registers_of<N, kK, kMn>(a, b) : registers_of<N, kK, kK>(a, b);
}

// A tensor of kTmaSize; boxes of 64, 2, 2, ...
CUtensorMap map_of_rank(const void* base, int rank) {
  kernels::cuda::TensorMapShape shape{.base = base, .rank = rank};
  std::uint64_t stride = 2;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rank); ++i) {
    shape.size[i] = static_cast<std::uint64_t>(kTmaSize[i]);
    shape.stride[i] = stride;
    stride *= shape.size[i];
    shape.box[i] = i == 0 ? 64 : 2;
  }
  return make_tensor_map(shape);
}

}  // namespace

bool has_hopper() {
  int major = 0;
  static_cast<void>(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
  return major == 9;
}

std::vector<bfloat16> tma_copy(const std::vector<bfloat16>& x, int rows, int columns, int row,
                               int column) {
  const DeviceArray<bfloat16> device_x(x), y(16 * 64);
  launch(LaunchConfig("tma_copy", 1, 32, test_context().stream, 16 * kRowBytes), tma_copy_kernel,
         map_2d(device_x.get(), rows, columns, 16), map_2d(y.get(), 16, 64, 16), row, column);
  return y.download();
}

std::vector<std::uint16_t> tma_layout(const std::vector<bfloat16>& x) {
  const DeviceArray<bfloat16> device_x(x);
  const DeviceArray<std::uint16_t> words(512);
  launch(LaunchConfig("tma_layout", 1, 32, test_context().stream, 8 * kRowBytes), tma_layout_kernel,
         map_2d(device_x.get(), 8, 64, 8), words.get());
  return words.download();
}

std::vector<std::uint16_t> tma_load(const std::vector<bfloat16>& x, int rank, const TileAt& at) {
  const DeviceArray<bfloat16> device_x(x);
  const DeviceArray<std::uint16_t> words(std::size_t{64} << (rank - 1));
  const auto kernel = rank == 2   ? tma_load_kernel<2>
                      : rank == 3 ? tma_load_kernel<3>
                      : rank == 4 ? tma_load_kernel<4>
                                  : tma_load_kernel<5>;
  launch(LaunchConfig("tma_load", 1, 32, test_context().stream, kRowBytes << (rank - 1)), kernel,
         map_of_rank(device_x.get(), rank), at, words.get());
  return words.download();
}

std::vector<bfloat16> tma_store(const std::vector<bfloat16>& y, int rank, const TileAt& at) {
  const DeviceArray<bfloat16> device_y(y);
  launch(LaunchConfig("tma_store", 1, 32, test_context().stream, kRowBytes << (rank - 1)),
         rank == 2 ? tma_store_kernel<2> : tma_store_kernel<4>, map_of_rank(device_y.get(), rank),
         at);
  return device_y.download();
}

std::vector<int> mbarrier_phases(int phases) {
  const DeviceArray<int> sums(static_cast<std::size_t>(phases));
  launch(LaunchConfig("phases", 1, 128, test_context().stream), phases_kernel, phases, sums.get());
  return sums.download();
}

std::vector<float> wgmma_registers(const std::vector<bfloat16>& a, const std::vector<bfloat16>& b,
                                   int n, bool a_along_m, bool b_along_n) {
  switch (n) {
    case 8:
      return registers_of<8>(a, b, a_along_m, b_along_n);
    case 16:
      return registers_of<16>(a, b, a_along_m, b_along_n);
    case 32:
      return registers_of<32>(a, b, a_along_m, b_along_n);
    case 64:
      return registers_of<64>(a, b, a_along_m, b_along_n);
    case 96:
      return registers_of<96>(a, b, a_along_m, b_along_n);
    case 128:
      return registers_of<128>(a, b, a_along_m, b_along_n);
    case 192:
      return registers_of<192>(a, b, a_along_m, b_along_n);
    default:
      break;
  }
  check(n == 256, "wgmma_registers: no instruction for N = ", n);
  return registers_of<256>(a, b, a_along_m, b_along_n);
}

std::vector<float> ring(const std::vector<bfloat16>& x, int steps, HopperBug bug) {
  const DeviceArray<bfloat16> device_x(x);
  const DeviceArray<float> y(64);
  const auto kernel = bug == HopperBug::kNone            ? ring_kernel<HopperBug::kNone>
                      : bug == HopperBug::kNoWaitForTile ? ring_kernel<HopperBug::kNoWaitForTile>
                      : bug == HopperBug::kNoWaitForProduct
                          ? ring_kernel<HopperBug::kNoWaitForProduct>
                          : ring_kernel<HopperBug::kReleasedTooEarly>;
  launch(LaunchConfig("ring", 1, 2 * kGroup, test_context().stream, 64 * kRowBytes), kernel,
         map_2d(device_x.get(), 64 * steps, 64, 64), steps, y.get());
  return y.download();
}

}  // namespace whisker::testing
