// The functions that kernels see.
#include <algorithm>
#include <bit>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/block.h>
#include <whisker/kernels/sim/checker.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

BlockRunner& runner() {
  BlockRunner* current = BlockRunner::current();
  check(current != nullptr, "simulator: device code was called from the host");
  return *current;
}

}  // namespace

void fail(std::string&& what) { runner().fail(std::move(what)); }

void fail_shuffle(unsigned source, const char* name, CallSite site) {
  fail(str(name, " at ", site, ": a lane reads lane ", source, ", which is not in its mask"));
}

int block_barrier(BarrierResult wanted, int predicate, CallSite site) {
  return runner().barrier(wanted, predicate, site);
}

void warp_collective(unsigned mask, const char* name, void* argument, CollectiveBody body,
                     CallSite site) {
  runner().collective(mask, name, argument, body, site);
}

void* shared_array(const void* key, std::size_t bytes, std::size_t alignment, const char* name) {
  void* array = runner().shared().array(key, bytes, alignment, name);
  if (!array)
    fail(str("shared memory: ", name, " (", bytes, " bytes) exceeds the ", kStaticSharedLimit,
             " bytes of static shared memory, or with the dynamic ones the ", kSharedLimit,
             " of a block"));
  return array;
}

std::uint32_t shared_offset(const void* shared, const char* operation) {
  const SharedArena& arena = runner().shared();
  if (!arena.holds(shared)) fail(str(operation, ": the address is not in shared memory"));
  return arena.offset_of(shared);
}

void note_access([[maybe_unused]] const void* address, [[maybe_unused]] std::size_t bytes,
                 [[maybe_unused]] Access kind, [[maybe_unused]] CallSite site) {
  if constexpr (kChecking) {
    checker::access(address, bytes, kind, location_of(site));
    if (kind == Access::kAtomic) checker::synchronize_at(address);
  }
}

void note_fence() {
  if constexpr (kChecking) checker::fence();
}

namespace {

struct ReduceArgument {
  Reduction reduction;
  std::int64_t value;  // holds both int and unsigned
};

std::int64_t combine(Reduction reduction, std::int64_t a, std::int64_t b) {
  switch (reduction) {
    case Reduction::kAdd:
      return a + b;
    case Reduction::kMin:
      return std::min(a, b);
    case Reduction::kMax:
      return std::max(a, b);
    case Reduction::kAnd:
      return a & b;
    case Reduction::kOr:
    case Reduction::kBallot:
      return a | b;
    case Reduction::kXor:
      return a ^ b;
  }
  return 0;
}

void run_reduce(void* const* arguments, unsigned mask) {
  std::int64_t total = 0;
  bool first = true;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    const auto& mine = *static_cast<const ReduceArgument*>(arguments[lane]);
    const bool ballot = mine.reduction == Reduction::kBallot;
    const std::int64_t value = ballot ? mine.value << lane : mine.value;
    total = first ? value : combine(mine.reduction, total, value);
    first = false;
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1)
    static_cast<ReduceArgument*>(arguments[std::countr_zero(rest)])->value = total;
}

}  // namespace

unsigned warp_reduce(Reduction reduction, unsigned mask, unsigned value, CallSite site) {
  ReduceArgument argument{reduction, value};
  const char* name = reduction == Reduction::kBallot ? "__ballot_sync" : "__reduce_sync";
  warp_collective(mask, name, &argument, run_reduce, site);
  return static_cast<unsigned>(argument.value);
}

int warp_reduce(Reduction reduction, unsigned mask, int value, CallSite site) {
  ReduceArgument argument{reduction, value};
  warp_collective(mask, "__reduce_sync", &argument, run_reduce, site);
  return static_cast<int>(argument.value);
}

}  // namespace whisker::inline v0_1::kernels::sim

void __syncwarp(unsigned mask, whisker::kernels::sim::CallSite site) {
  using namespace whisker::kernels::sim;
  warp_collective(
      mask, "__syncwarp", nullptr,
      [](void* const*, [[maybe_unused]] unsigned lanes) {
        if constexpr (kChecking) checker::sync_warp(lanes);
      },
      site);
}
