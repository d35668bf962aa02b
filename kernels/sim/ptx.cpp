// cp.async, ldmatrix, mma.sync and cvt. Layouts are those of the figures in the PTX ISA, chapters
// 9.7.14.5.7 (m16n8k8 tf32), 9.7.14.5.8 (m16n8k16 bf16) and 9.7.14.5.15 (ldmatrix).
#include <bit>
#include <cstring>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/block.h>
#include <whisker/kernels/sim/matrix.h>
#include <whisker/kernels/sim/memory.h>
#include <whisker/kernels/sim/ptx.h>

namespace whisker::inline v0_1::kernels::sim {

void require_shared(const void* shared, std::size_t bytes, std::size_t alignment,
                    const char* operation) {
  const std::uint32_t offset = shared_offset(shared, operation);
  if (offset % alignment != 0)
    fail(str(operation, ": the shared address is not a multiple of ", alignment));
  const SharedArena& arena = BlockRunner::current()->shared();
  if (!arena.valid(offset, bytes))
    fail(str(operation, ": ", bytes, " bytes from ", arena.describe(offset), " on"));
}

namespace {

constexpr unsigned kFullMask = 0xFFFFFFFFu;

struct LoadArgument {
  const unsigned char* row;
  std::uint32_t* registers;
  CallSite site;
};

template <int kCount, bool kTransposed>
void run_ldmatrix(void* const* arguments, unsigned) {
  const auto lane_argument = [&](int lane) -> LoadArgument& {
    return *static_cast<LoadArgument*>(arguments[lane]);
  };
  Thread* const last = current_thread;
  const unsigned first = last->rank - last->lane;
  for (unsigned lane = 0; lane < 8u * kCount; ++lane) {  // errors are the lane's that gave the row
    current_thread = &BlockRunner::current()->thread(first + lane);
    const LoadArgument& argument = lane_argument(static_cast<int>(lane));
    require_shared(argument.row, 16, 16, "ldmatrix");
    note_access(argument.row, 16, Access::kRead, argument.site);
  }
  current_thread = last;
  for (int lane = 0; lane < 32; ++lane)
    for (int matrix = 0; matrix < kCount; ++matrix) {
      const int line = lane / 4, pair = 2 * (lane % 4);
      std::uint16_t low, high;
      if (kTransposed) {
        std::memcpy(&low, lane_argument(matrix * 8 + pair).row + 2 * line, 2);
        std::memcpy(&high, lane_argument(matrix * 8 + pair + 1).row + 2 * line, 2);
      } else {
        std::memcpy(&low, lane_argument(matrix * 8 + line).row + 2 * pair, 2);
        std::memcpy(&high, lane_argument(matrix * 8 + line).row + 2 * pair + 2, 2);
      }
      lane_argument(lane).registers[matrix] = low | std::uint32_t{high} << 16;
    }
}

template <int kCount, bool kTransposed>
void ldmatrix(std::uint32_t* registers, const void* shared, const char* name, CallSite site) {
  LoadArgument argument{static_cast<const unsigned char*>(shared), registers, site};
  warp_collective(kFullMask, name, &argument, run_ldmatrix<kCount, kTransposed>, site);
}

struct MultiplyArgument {
  float* d;
  const std::uint32_t *a, *b;
};

float low_bfloat16(std::uint32_t pair) { return std::bit_cast<float>(pair << 16); }
float high_bfloat16(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xFFFF0000u); }
// The hardware ignores the low 13 bits of a TF32 operand.
float from_tf32(std::uint32_t bits) { return std::bit_cast<float>(bits & 0xFFFFE000u); }

void run_mma_bf16(void* const* arguments, unsigned) {
  float a[16][16];
  Row8 b[16];
  float* d[32];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& mine = *static_cast<const MultiplyArgument*>(arguments[lane]);
    const int group = lane / 4, pair = 2 * (lane % 4);
    for (int part = 0; part < 4; ++part) {
      float* to = &a[group + 8 * (part % 2)][pair + 8 * (part / 2)];
      to[0] = low_bfloat16(mine.a[part]);
      to[1] = high_bfloat16(mine.a[part]);
    }
    for (int part = 0; part < 2; ++part) {
      b[pair + 8 * part][group] = low_bfloat16(mine.b[part]);
      b[pair + 8 * part + 1][group] = high_bfloat16(mine.b[part]);
    }
    d[lane] = mine.d;
  }
  multiply_accumulate<16>(a, b, d);
}

void run_mma_tf32(void* const* arguments, unsigned) {
  float a[16][8];
  Row8 b[8];
  float* d[32];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& mine = *static_cast<const MultiplyArgument*>(arguments[lane]);
    const int group = lane / 4, k = lane % 4;
    for (int part = 0; part < 4; ++part)
      a[group + 8 * (part % 2)][k + 4 * (part / 2)] = from_tf32(mine.a[part]);
    for (int part = 0; part < 2; ++part)
      b[k + 4 * part][group] = from_tf32(mine.b[part]);
    d[lane] = mine.d;
  }
  multiply_accumulate<8>(a, b, d);
}

CopyQueue& copies() { return BlockRunner::current()->copies(current_thread->rank); }

void deliver(const AsyncCopy& copy) {
  note_access(copy.to, 16, Access::kDeliver, copy.site);
  if (copy.from) {
    std::memcpy(copy.to, copy.from, 16);
  } else {
    std::memset(copy.to, 0, 16);
  }
}

}  // namespace
}  // namespace whisker::inline v0_1::kernels::sim

namespace whisker::inline v0_1::kernels::cuda::ptx {

using namespace sim;

std::uint32_t smem_address(const void* shared) { return shared_offset(shared, "smem_address"); }

void cp_async_16(void* shared, const void* global, bool predicate, CallSite site) {
  require_shared(shared, 16, 16, "cp.async");
  if (predicate) {
    if (reinterpret_cast<std::uintptr_t>(global) % 16 != 0)
      fail("cp.async: the global address is not a multiple of 16");
    const DeviceMemory& memory = DeviceMemory::instance();
    if (!memory.valid(global, 16))
      fail(str("cp.async: 16 bytes at ", memory.describe(global)));
    note_access(global, 16, Access::kRead, site);
  }
  note_access(shared, 16, Access::kIssue, site);
  std::memset(shared, 0xFF, 16);
  copies().copies.push_back({shared, predicate ? global : nullptr, site});
  ++copies().uncommitted;
}

void cp_async_commit() {
  CopyQueue& queue = copies();
  queue.groups.push_back(queue.uncommitted);
  queue.uncommitted = 0;
}

void cp_async_wait_groups(unsigned newest) {
  CopyQueue& queue = copies();
  while (queue.groups.size() > newest) {
    for (std::size_t i = 0; i < queue.groups.front(); ++i) {
      deliver(queue.copies.front());
      queue.copies.pop_front();
    }
    queue.groups.pop_front();
  }
}

void ldmatrix_x4(std::uint32_t (&r)[4], const void* shared, CallSite site) {
  ldmatrix<4, false>(r, shared, "ldmatrix.x4", site);
}
void ldmatrix_x4_trans(std::uint32_t (&r)[4], const void* shared, CallSite site) {
  ldmatrix<4, true>(r, shared, "ldmatrix.x4.trans", site);
}
void ldmatrix_x2(std::uint32_t (&r)[2], const void* shared, CallSite site) {
  ldmatrix<2, false>(r, shared, "ldmatrix.x2", site);
}
void ldmatrix_x2_trans(std::uint32_t (&r)[2], const void* shared, CallSite site) {
  ldmatrix<2, true>(r, shared, "ldmatrix.x2.trans", site);
}

void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                       CallSite site) {
  MultiplyArgument argument{d, a, b};
  warp_collective(kFullMask, "mma.m16n8k16.bf16", &argument, run_mma_bf16, site);
}

void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                      CallSite site) {
  MultiplyArgument argument{d, a, b};
  warp_collective(kFullMask, "mma.m16n8k8.tf32", &argument, run_mma_tf32, site);
}

std::uint32_t to_tf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // The lowest mantissa bit that stays is bit 13; infinities and NaNs keep their exponent.
  const bool finite = (bits & 0x7F800000u) != 0x7F800000u;
  return (finite ? bits + 0x1000u : bits) & 0xFFFFE000u;
}

std::uint32_t to_bfloat16x2(float low, float high) {
  const auto round = [](float value) -> std::uint32_t {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return 0x7FFFu;  // cvt makes the canonical NaN
    return (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  };
  return round(low) | round(high) << 16;
}

}  // namespace whisker::inline v0_1::kernels::cuda::ptx
