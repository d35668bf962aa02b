// What the code of a kernel sees of the simulator: its thread, its block, and ways to wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <whisker/kernels/cuda/call_site.h>
#include <whisker/kernels/sim/types.h>

#ifndef WHISKER_SIM_CHECK
#define WHISKER_SIM_CHECK 0
#endif

namespace whisker::inline v0_1::kernels::sim {

using cuda::CallSite;

/// Whether this build watches every access of kernels to memory.
inline constexpr bool kChecking = WHISKER_SIM_CHECK;

inline constexpr unsigned kWarpSize = 32;

struct Thread {
  uint3 index{};
  unsigned rank = 0;  // within the block, x fastest
  unsigned lane = 0, warp = 0;
};

struct Block {
  uint3 index{};
  dim3 dim, grid;
  std::uint64_t rank = 0;  // within the grid, x fastest
  unsigned char* dynamic_shared = nullptr;
};

// Each OS thread runs one block at a time, and fibers stay on their OS thread.
// constinit spares every use a check whether they are initialised.
extern constinit thread_local Thread* current_thread;
extern constinit thread_local Block current_block;

/// Ends the block, and with it the launch, with an error that names kernel, block and thread.
[[noreturn]] void fail(std::string&& what);
/// A shuffle reads a lane that is not in its mask.
[[noreturn]] void fail_shuffle(unsigned source, const char* name, CallSite site);

/// __syncthreads and its reductions over a predicate.
enum class BarrierResult { kNone, kAny, kAll, kCount };
int block_barrier(BarrierResult wanted, int predicate, CallSite site);

/// Carries out one collective operation for all lanes of `mask`: arguments[lane] is what the lane
/// gave. Runs in the thread of the lane that came last.
using CollectiveBody = void (*)(void* const* arguments, unsigned mask);

/// Waits for the lanes of `mask` to come to the same call; the last one runs `body` for all.
void warp_collective(unsigned mask, const char* name, void* argument, CollectiveBody body,
                     CallSite site);

/// Reductions over the lanes of `mask`; a ballot has bit i set if lane i's value is 1.
enum class Reduction { kAdd, kMin, kMax, kAnd, kOr, kXor, kBallot };
unsigned warp_reduce(Reduction reduction, unsigned mask, unsigned value, CallSite site);
int warp_reduce(Reduction reduction, unsigned mask, int value, CallSite site);

/// What the checker is told of an access that the compiler does not show it. An asynchronous copy
/// leaves its destination undefined from its issue to its delivery.
enum class Access { kRead, kWrite, kAtomic, kIssue, kDeliver };
void note_access(const void* address, std::size_t bytes, Access kind, CallSite site);
/// __threadfence: what precedes is visible to whoever sees a later atomic of this thread.
void note_fence();

/// The array of static shared memory that the declaration with this key makes in this block.
void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name);

/// The offset of an address in the block's shared memory; fails for any other address.
std::uint32_t shared_offset(const void* shared, const char* operation);

}  // namespace whisker::inline v0_1::kernels::sim
