// Bugs with shared memory, barriers and warps. The test finds the lines by their "bug:" comments.
#include <whisker/kernels/cuda/gpu.h>

#include "run_kernel.h"

namespace whisker::testing {
namespace {

using kernels::cuda::launch;
using kernels::cuda::LaunchConfig;
namespace ptx = kernels::cuda::ptx;

constexpr unsigned kThreads = 64;

LaunchConfig one_block(const char* name) {
  return LaunchConfig(name, 1, kThreads, test_context().stream);
}

/// Runs a kernel that writes kThreads integers.
template <class Kernel>
Outcome run(const char* name, Kernel kernel, const std::vector<int>& expected) {
  const DeviceArray<int> result(kThreads);
  launch(one_block(name), kernel, result.get());
  return outcome_of(result, expected);
}

template <class Formula>
std::vector<int> for_each_thread(Formula formula) {
  std::vector<int> values(kThreads);
  for (unsigned i = 0; i < kThreads; ++i)
    values[i] = formula(static_cast<int>(i));
  return values;
}

const auto kMirror = [](int i) { return static_cast<int>(kThreads) - 1 - i; };

template <Variant kVariant>
__global__ void mirror_kernel(int* result) {
  WHISKER_SHARED(int, tile, [kThreads]);
  const unsigned i = threadIdx.x;
  tile[i] = static_cast<int>(i);  // bug: missing_barrier_before_read, other end
  if constexpr (kVariant == Variant::kCorrect) __syncthreads();
  result[i] = tile[kThreads - 1 - i];  // bug: missing_barrier_before_read
}

template <Variant kVariant>
__global__ void twice_mirror_kernel(int* result) {
  WHISKER_SHARED(int, tile, [kThreads]);
  const unsigned i = threadIdx.x;
  tile[i] = static_cast<int>(i);
  __syncthreads();
  const int first = tile[kThreads - 1 - i];
  if constexpr (kVariant == Variant::kCorrect) __syncthreads();
  tile[i] = -1;  // bug: missing_barrier_before_overwrite
  __syncthreads();
  result[i] = first + tile[kThreads - 1 - i] + 1;
}

template <Variant kVariant>
__global__ void warp_mirror_kernel(int* result) {
  WHISKER_SHARED(int, tile, [kThreads]);
  const unsigned i = threadIdx.x;
  tile[i] = static_cast<int>(i);
  if constexpr (kVariant == Variant::kCorrect) __syncwarp();
  result[i] = tile[i ^ 31u];  // bug: missing_syncwarp
}

template <Variant kVariant>
__global__ void fill_and_sum_kernel(int* result) {
  WHISKER_SHARED(int, tile, [kThreads]);
  const unsigned i = threadIdx.x;
  if (kVariant == Variant::kCorrect || i < kThreads - 1) tile[i] = 1;
  __syncthreads();
  int sum = 0;
  for (unsigned j = 0; j < kThreads; ++j)
    sum += tile[j];  // bug: uninitialised_shared_read
  result[i] = sum;
}

template <Variant kVariant>
__global__ void shifted_write_kernel(int* result) {
  WHISKER_SHARED(int, tile, [kThreads]);
  const unsigned i = threadIdx.x;
  const unsigned at = i + (kVariant == Variant::kBroken ? 1 : 0);
  volatile int* first = tile;
  first[at] = static_cast<int>(i);  // bug: shared_write_past_end
  __syncthreads();
  result[i] = first[at];
}

/// The end of one row is the beginning of the next, so nothing outside the array is touched.
template <Variant kVariant>
__global__ void rows_kernel(int* result) {
  WHISKER_SHARED(int, tile, [2][32]);
  const unsigned row = threadIdx.x / 32, column = threadIdx.x % 32;
  tile[row][column] = static_cast<int>(threadIdx.x);
  __syncthreads();
  const unsigned shift = kVariant == Variant::kBroken && row == 0 ? 1 : 0;
  result[threadIdx.x] = tile[row][column + shift] - static_cast<int>(shift);  // bug: row_overflow
}

/// Threads may write neighbouring bytes of one word; the broken one writes its neighbour's.
template <Variant kVariant>
__global__ void bytes_kernel(int* result) {
  WHISKER_SHARED(unsigned char, tile, [kThreads + 1]);
  const unsigned i = threadIdx.x;
  tile[i] = static_cast<unsigned char>(i);
  if constexpr (kVariant == Variant::kBroken)
    tile[i + 1] = static_cast<unsigned char>(i + 1);  // bug: neighbouring_bytes
  __syncthreads();
  result[i] = tile[kThreads - 1 - i];
}

enum class Wait { kYes, kAfterUse, kNever };

template <Wait kWait>
__global__ void copy_kernel(const int* x, int* result) {
  WHISKER_SHARED(int, tile, [kThreads]);
  const unsigned i = threadIdx.x;
  if (i < kThreads / 4) ptx::cp_async_16(&tile[4 * i], &x[4 * i], true);
  ptx::cp_async_commit();
  if constexpr (kWait == Wait::kYes) ptx::cp_async_wait<0>();
  __syncthreads();
  result[i] = kWait == Wait::kNever ? kThreads - 1 - i
                                    : tile[kThreads - 1 - i];  // bug: missing_copy_wait
  __syncthreads();
  if constexpr (kWait == Wait::kAfterUse) ptx::cp_async_wait<0>();
}

template <Variant kVariant>
__global__ void barrier_in_branch_kernel(int* result) {
  if (kVariant == Variant::kBroken && threadIdx.x % 2 == 0) {
    __syncthreads();  // bug: divergent_barrier
  } else {
    __syncthreads();  // bug: divergent_barrier, other end
  }
  result[threadIdx.x] = kThreads - 1 - threadIdx.x;
}

template <Variant kVariant>
__global__ void early_return_kernel(int* result) {
  result[threadIdx.x] = kThreads - 1 - threadIdx.x;
  if (kVariant == Variant::kBroken && threadIdx.x >= 40) return;
  __syncthreads();  // bug: exit_before_barrier
}

template <Variant kVariant>
__global__ void shuffle_in_branch_kernel(int* result) {
  const int mine = static_cast<int>(threadIdx.x % 32);
  int other = 0;
  if (kVariant == Variant::kCorrect || threadIdx.x % 2 == 0) {
    other = __shfl_xor_sync(0xFFFFFFFFu, mine, 31);  // bug: divergent_shuffle
  } else {
    other = __shfl_sync(0xFFFFFFFFu, mine, 31 - mine);
  }
  result[threadIdx.x] = other;
}

template <Variant kVariant>
__global__ void partial_mask_kernel(int* result) {
  const int mine = static_cast<int>(threadIdx.x % 32);
  const unsigned mask = kVariant == Variant::kBroken ? 0x0000FFFFu : 0xFFFFFFFFu;
  result[threadIdx.x] = __shfl_xor_sync(mask, mine, 31);  // bug: shuffle_outside_mask
}

template <Variant kVariant>
__global__ void mixed_waits_kernel(int* result) {
  if (kVariant == Variant::kBroken && threadIdx.x % 32 == 0) {
    __syncthreads();  // bug: deadlock
  } else {
    __syncwarp();  // bug: deadlock, other end
  }
  if (kVariant == Variant::kCorrect) __syncthreads();
  result[threadIdx.x] = kThreads - 1 - threadIdx.x;
}

Outcome run_copy(Wait wait) {
  const DeviceArray<int> x(for_each_thread([](int i) { return i; })), result(kThreads);
  const auto kernel = wait == Wait::kYes        ? copy_kernel<Wait::kYes>
                      : wait == Wait::kAfterUse ? copy_kernel<Wait::kAfterUse>
                                                : copy_kernel<Wait::kNever>;
  launch(one_block("copy"), kernel, x.get(), result.get());
  return outcome_of(result, for_each_thread(kMirror));
}

}  // namespace

#define WHISKER_RUN(kernel, expected)                                                     \
  (variant == Variant::kCorrect ? run(#kernel, kernel##_kernel<Variant::kCorrect>,        \
                                      for_each_thread(expected))                          \
                                : run(#kernel, kernel##_kernel<Variant::kBroken>,         \
                                      for_each_thread(expected)))

Outcome missing_barrier_before_read(Variant variant) { return WHISKER_RUN(mirror, kMirror); }
Outcome missing_barrier_before_overwrite(Variant variant) {
  return WHISKER_RUN(twice_mirror, kMirror);
}
Outcome missing_syncwarp(Variant variant) {
  return WHISKER_RUN(warp_mirror, [](int i) { return i ^ 31; });
}
Outcome uninitialised_shared_read(Variant variant) {
  return WHISKER_RUN(fill_and_sum, [](int) { return static_cast<int>(kThreads); });
}
Outcome shared_write_past_end(Variant variant) {
  return WHISKER_RUN(shifted_write, [](int i) { return i; });
}
Outcome row_overflow(Variant variant) {
  return WHISKER_RUN(rows, [](int i) { return i; });
}
Outcome neighbouring_bytes(Variant variant) { return WHISKER_RUN(bytes, kMirror); }
Outcome missing_copy_wait(Variant variant) {
  return run_copy(variant == Variant::kCorrect ? Wait::kYes : Wait::kAfterUse);
}
Outcome copy_never_waited_for(Variant variant) {
  return run_copy(variant == Variant::kCorrect ? Wait::kYes : Wait::kNever);
}
Outcome divergent_barrier(Variant variant) { return WHISKER_RUN(barrier_in_branch, kMirror); }
Outcome exit_before_barrier(Variant variant) { return WHISKER_RUN(early_return, kMirror); }
Outcome divergent_shuffle(Variant variant) {
  return WHISKER_RUN(shuffle_in_branch, [](int i) { return 31 - i % 32; });
}
Outcome shuffle_outside_mask(Variant variant) {
  return WHISKER_RUN(partial_mask, [](int i) { return 31 - i % 32; });
}
Outcome deadlock(Variant variant) { return WHISKER_RUN(mixed_waits, kMirror); }

}  // namespace whisker::testing
