#include <whisker/kernels/cuda/gpu.h>

#include <cstring>

#include "cuda/device_array.h"
#include "ptx_kernels.h"

namespace whisker::testing {
namespace {

using kernels::cuda::launch;
using kernels::cuda::LaunchConfig;
namespace ptx = kernels::cuda::ptx;
using std::uint32_t;

template <std::size_t kCount>
std::vector<uint32_t> flat(const Registers<kCount>& registers) {
  std::vector<uint32_t> words(kLanes * kCount);
  std::memcpy(words.data(), registers.data(), sizeof registers);
  return words;
}

Registers<4> by_lane(const std::vector<uint32_t>& words) {
  Registers<4> registers;
  std::memcpy(registers.data(), words.data(), sizeof registers);
  return registers;
}

LaunchConfig one_warp(const char* name, kernels::cuda::CallSite site) {
  return LaunchConfig(name, 1, kLanes, test_context().stream, 0, site);
}

template <Load kForm>
__global__ void ldmatrix_kernel(const uint32_t* matrices, uint32_t* result) {
  WHISKER_SHARED(uint32_t, tile, [4 * 8 * 4]);
  constexpr bool kFour = kForm == Load::kX4 || kForm == Load::kX4Trans;
  constexpr bool kTransposed = kForm == Load::kX4Trans || kForm == Load::kX2Trans;
  const unsigned lane = threadIdx.x;
  for (unsigned i = lane; i < 128; i += kLanes)
    tile[i] = matrices[i];
  __syncwarp();
  uint32_t r[4] = {};
  if constexpr (kFour) {
    if constexpr (kTransposed) {
      ptx::ldmatrix_x4_trans(r, &tile[4 * lane]);
    } else {
      ptx::ldmatrix_x4(r, &tile[4 * lane]);
    }
  } else {
    uint32_t pair[2];
    // The addresses of lanes 16 to 31 are not used, but must be valid on some devices.
    if constexpr (kTransposed) {
      ptx::ldmatrix_x2_trans(pair, &tile[4 * (lane % 16)]);
    } else {
      ptx::ldmatrix_x2(pair, &tile[4 * (lane % 16)]);
    }
    r[0] = pair[0];
    r[1] = pair[1];
  }
  for (int i = 0; i < 4; ++i)
    result[4 * lane + i] = r[i];
}

template <bool kTf32>
__global__ void mma_kernel(const uint32_t* a, const uint32_t* b, const uint32_t* d,
                           uint32_t* result) {
  const unsigned lane = threadIdx.x;
  uint32_t a_registers[4], b_registers[2];
  float d_registers[4];
  for (int i = 0; i < 4; ++i) {
    a_registers[i] = a[4 * lane + i];
    d_registers[i] = __uint_as_float(d[4 * lane + i]);
  }
  for (int i = 0; i < 2; ++i)
    b_registers[i] = b[2 * lane + i];
  if constexpr (kTf32) {
    ptx::mma_m16n8k8_tf32(d_registers, a_registers, b_registers);
  } else {
    ptx::mma_m16n8k16_bf16(d_registers, a_registers, b_registers);
  }
  for (int i = 0; i < 4; ++i)
    result[4 * lane + i] = __float_as_uint(d_registers[i]);
}

__global__ void cp_async_kernel(const uint32_t* words, const int* wanted, uint32_t* result) {
  WHISKER_SHARED(uint32_t, tile, [4 * kLanes]);
  const unsigned lane = threadIdx.x;
  if (lane % 2 == 0) ptx::cp_async_16(&tile[4 * lane], &words[4 * lane], wanted[lane] != 0);
  ptx::cp_async_commit();
  if (lane % 2 == 1) ptx::cp_async_16(&tile[4 * lane], &words[4 * lane], wanted[lane] != 0);
  ptx::cp_async_commit();
  ptx::cp_async_wait<1>();
  __syncwarp();
  // The first group is complete, the second one perhaps not.
  if (lane % 2 == 1)
    for (unsigned i = 0; i < 4; ++i)
      result[4 * (lane - 1) + i] = tile[4 * (lane - 1) + i];
  ptx::cp_async_wait<0>();
  __syncwarp();
  if (lane % 2 == 0)
    for (unsigned i = 0; i < 4; ++i)
      result[4 * (lane + 1) + i] = tile[4 * (lane + 1) + i];
}

__global__ void to_tf32_kernel(const float* values, uint32_t* result, unsigned count) {
  if (threadIdx.x < count) result[threadIdx.x] = ptx::to_tf32(values[threadIdx.x]);
}

__global__ void to_bfloat16x2_kernel(const float* values, uint32_t* result, unsigned count) {
  const unsigned i = threadIdx.x;
  if (i < count) result[i] = ptx::to_bfloat16x2(values[2 * i], values[2 * i + 1]);
}

template <bool kTf32>
Registers<4> run_mma(const Registers<4>& a, const Registers<2>& b, const Registers<4>& d) {
  const DeviceArray<uint32_t> device_a(flat(a)), device_b(flat(b)), device_d(flat(d));
  const DeviceArray<uint32_t> result(4 * kLanes);
  launch(one_warp("mma", kernels::cuda::CallSite::here()), mma_kernel<kTf32>, device_a.get(),
         device_b.get(), device_d.get(), result.get());
  return by_lane(result.download());
}

}  // namespace

Registers<4> run_ldmatrix(Load form, const std::vector<std::uint16_t>& matrices) {
  std::vector<uint32_t> words(128);
  std::memcpy(words.data(), matrices.data(), sizeof(std::uint16_t) * matrices.size());
  const DeviceArray<uint32_t> input(words), result(4 * kLanes);
  const auto kernel = form == Load::kX4        ? ldmatrix_kernel<Load::kX4>
                      : form == Load::kX4Trans ? ldmatrix_kernel<Load::kX4Trans>
                      : form == Load::kX2      ? ldmatrix_kernel<Load::kX2>
                                               : ldmatrix_kernel<Load::kX2Trans>;
  launch(one_warp("ldmatrix", kernels::cuda::CallSite::here()), kernel, input.get(), result.get());
  return by_lane(result.download());
}

Registers<4> run_mma_bf16(const Registers<4>& a, const Registers<2>& b, const Registers<4>& d) {
  return run_mma<false>(a, b, d);
}

Registers<4> run_mma_tf32(const Registers<4>& a, const Registers<2>& b, const Registers<4>& d) {
  return run_mma<true>(a, b, d);
}

std::vector<uint32_t> run_cp_async(const std::vector<uint32_t>& words,
                                   const std::vector<int>& wanted) {
  const DeviceArray<uint32_t> input(words), result(4 * kLanes);
  const DeviceArray<int> predicates(wanted);
  launch(one_warp("cp_async", kernels::cuda::CallSite::here()), cp_async_kernel, input.get(),
         predicates.get(), result.get());
  return result.download();
}

std::vector<uint32_t> run_to_tf32(const std::vector<float>& values) {
  const DeviceArray<float> input(values);
  const DeviceArray<uint32_t> result(values.size());
  launch(one_warp("to_tf32", kernels::cuda::CallSite::here()), to_tf32_kernel, input.get(),
         result.get(), static_cast<unsigned>(values.size()));
  return result.download();
}

std::vector<uint32_t> run_to_bfloat16x2(const std::vector<float>& values) {
  const DeviceArray<float> input(values);
  const DeviceArray<uint32_t> result(values.size() / 2);
  launch(one_warp("to_bfloat16x2", kernels::cuda::CallSite::here()), to_bfloat16x2_kernel,
         input.get(), result.get(), static_cast<unsigned>(values.size() / 2));
  return result.download();
}

}  // namespace whisker::testing
