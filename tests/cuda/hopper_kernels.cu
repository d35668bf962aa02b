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
  return make_tensor_map({.base = base,
                          .rank = 2,
                          .size = {static_cast<std::uint64_t>(columns),
                                   static_cast<std::uint64_t>(rows)},
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

template <int N, OperandLayout kLayout>
__global__ void __launch_bounds__(kGroup)
    wgmma_product_kernel(const __grid_constant__ CUtensorMap a,
                         const __grid_constant__ CUtensorMap b, float* c) {
  constexpr bool kMn = kLayout == OperandLayout::kBMnMajor;
  WHISKER_DYNAMIC_SHARED(tile_a);
  WHISKER_SHARED(std::uint64_t, arrived, [1]);
  unsigned char* tile_b = tile_a + 64 * kRowBytes;
  start_mbarrier(arrived, 1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect_tx(arrived, (64 + N) * kRowBytes);
    ptx::tma_load_2d(tile_a, &a, arrived, 0, 0);
    if (kMn) {  // boxes of 64 columns, one after the other
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
    const std::uint64_t descriptor_a = ptx::matrix_descriptor(tile_a + k * 32, 16, 8 * kRowBytes);
    if constexpr (kMn) {
      ptx::wgmma_m64k16_bf16<N, ptx::Major::kK, ptx::Major::kMn>(
          d, descriptor_a,
          ptx::matrix_descriptor(tile_b + k * 16 * kRowBytes, 64 * kRowBytes, 8 * kRowBytes));
    } else {
      ptx::wgmma_m64k16_bf16<N>(d, descriptor_a,
                                ptx::matrix_descriptor(tile_b + k * 32, 16, 8 * kRowBytes));
    }
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (unsigned i = 0; i < N / 2; ++i) {
    const unsigned row = 16 * warp + lane / 4 + i / 2 % 2 * 8;
    const unsigned column = i / 4 * 8 + lane % 4 * 2 + i % 2;
    c[row * N + column] = d[i];
  }
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

template <int N>
std::vector<float> product(const std::vector<bfloat16>& a, const std::vector<bfloat16>& b,
                           OperandLayout layout) {
  const DeviceArray<bfloat16> device_a(a), device_b(b);
  const DeviceArray<float> c(64 * N);
  const bool mn = layout == OperandLayout::kBMnMajor;
  const CUtensorMap map_a = map_2d(device_a.get(), 64, 64, 64);
  const CUtensorMap map_b = mn ? map_2d(device_b.get(), 64, N, 64) : map_2d(device_b.get(), N, 64, N);
  const LaunchConfig config("wgmma_product", 1, kGroup, test_context().stream,
                            (64 + N) * kRowBytes);
  if (mn) {
    launch(config, wgmma_product_kernel<N, OperandLayout::kBMnMajor>, map_a, map_b, c.get());
  } else {
    launch(config, wgmma_product_kernel<N, OperandLayout::kBKMajor>, map_a, map_b, c.get());
  }
  return c.download();
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
  launch(LaunchConfig("tma_layout", 1, 32, test_context().stream, 8 * kRowBytes),
         tma_layout_kernel, map_2d(device_x.get(), 8, 64, 8), words.get());
  return words.download();
}

std::vector<float> wgmma_product(const std::vector<bfloat16>& a, const std::vector<bfloat16>& b,
                                 int n, OperandLayout layout) {
  if (n == 64) return product<64>(a, b, layout);
  if (n == 128) return product<128>(a, b, layout);
  check(n == 256, "wgmma_product: n is 64, 128 or 256");
  return product<256>(a, b, layout);
}

std::vector<float> ring(const std::vector<bfloat16>& x, int steps, HopperBug bug) {
  const DeviceArray<bfloat16> device_x(x);
  const DeviceArray<float> y(64);
  const auto kernel = bug == HopperBug::kNone               ? ring_kernel<HopperBug::kNone>
                      : bug == HopperBug::kNoWaitForTile    ? ring_kernel<HopperBug::kNoWaitForTile>
                      : bug == HopperBug::kNoWaitForProduct
                          ? ring_kernel<HopperBug::kNoWaitForProduct>
                          : ring_kernel<HopperBug::kReleasedTooEarly>;
  launch(LaunchConfig("ring", 1, 2 * kGroup, test_context().stream, 64 * kRowBytes), kernel,
         map_2d(device_x.get(), 64 * steps, 64, 64), steps, y.get());
  return y.download();
}

}  // namespace whisker::testing
