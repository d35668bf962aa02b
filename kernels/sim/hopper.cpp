// mbarriers, and tiled copies of the tensor memory accelerator with 128-byte swizzle (PTX ISA
// 9.7.13.15 mbarrier, 9.7.9.27 cp.async.bulk.tensor, 5.5 tensors).
#include <cstring>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/block.h>
#include <whisker/kernels/sim/checker.h>
#include <whisker/kernels/sim/matrix.h>
#include <whisker/kernels/sim/memory.h>

namespace whisker::inline v0_1::kernels::sim {

void HopperState::begin_block(unsigned thread_count) {
  warps.assign((thread_count + kWarpSize - 1) / kWarpSize, WarpProducts{});
  threads.assign(thread_count, BulkStores{});
}

std::string HopperState::unfinished() const {
  for (std::size_t i = 0; i < warps.size(); ++i)
    if (!warps[i].queue.empty())
      return str("warp ", i, " ended with matrix products that it never waited for, issued at ",
                 warps[i].queue.front().site);
  for (std::size_t i = 0; i < threads.size(); ++i)
    if (!threads[i].stores.empty())
      return str("thread ", i, " ended with bulk stores that it never waited for, issued at ",
                 threads[i].stores.front().site);
  return "";
}

namespace {

constexpr std::size_t kElementBytes = 2, kChunkBytes = 16;

/// The 64 bits of an mbarrier. The hardware's layout is its own; only these functions look inside.
struct Mbarrier {
  static constexpr std::uint64_t kMagic = 0xB5;

  std::uint32_t phase, expected, pending;
  std::int32_t bytes;  // expected, less those that arrived

  static Mbarrier load(const std::uint64_t* at, const char* operation) {
    require_shared(at, 8, 8, operation);
    const std::uint64_t word = *at;
    if (word >> 56 != kMagic) fail(str(operation, ": the mbarrier was not initialised"));
    return {static_cast<std::uint32_t>(word >> 55 & 1u),
            static_cast<std::uint32_t>(word >> 40 & 0x7FFFu),
            static_cast<std::uint32_t>(word >> 25 & 0x7FFFu),
            static_cast<std::int32_t>(static_cast<std::int64_t>(word << 39) >> 39)};
  }
  void store(std::uint64_t* at) {
    if (pending == 0 && bytes == 0) {
      phase ^= 1u;
      pending = expected;
    }
    *at = kMagic << 56 | std::uint64_t{phase} << 55 | std::uint64_t{expected} << 40 |
          std::uint64_t{pending} << 25 | (static_cast<std::uint64_t>(bytes) & 0x1FFFFFFu);
  }
};

void arrive(std::uint64_t* at, std::uint32_t bytes, const char* operation) {
  Mbarrier mbarrier = Mbarrier::load(at, operation);
  if (mbarrier.pending == 0)
    fail(str(operation, ": more arrivals in one phase than the count of ", mbarrier.expected));
  --mbarrier.pending;
  mbarrier.bytes += static_cast<std::int32_t>(bytes);
  if constexpr (kChecking) checker::release_to(at);
  mbarrier.store(at);
}

std::size_t tile_bytes(const CUtensorMap& map) {
  std::size_t bytes = kElementBytes;
  for (const std::uint32_t extent : map.box)
    bytes *= extent;
  return bytes;
}

void check_tile(const void* shared, const CUtensorMap& map, const char* operation) {
  require_shared(shared, tile_bytes(map), 16, operation);
  if (shared_offset(shared, operation) % 1024 != 0)
    fail(str(operation, ": a tile with 128-byte swizzle begins at a multiple of 1024"));
}

/// Calls visit(shared offset, device address or null if outside the tensor) for every element.
template <class Visit>
void for_each_element(const CUtensorMap& map, std::uint32_t shared, const TileCoordinates& at,
                      Visit visit) {
  const std::size_t count = tile_bytes(map) / kElementBytes;
  std::array<std::uint32_t, 5> index{};
  for (std::size_t i = 0; i < count; ++i) {
    unsigned char* element = map.base;
    bool inside = true;
    for (std::size_t axis = 0; axis < 5; ++axis) {
      const std::int64_t coordinate = std::int64_t{at[axis]} + index[axis];
      inside = inside && coordinate >= 0 && coordinate < static_cast<std::int64_t>(map.size[axis]);
      element += coordinate * static_cast<std::int64_t>(map.stride[axis]);
    }
    // Every row of the box takes box[0] elements; rows of less than 128 bytes are not padded.
    const auto offset = shared + static_cast<std::uint32_t>(i * kElementBytes);
    visit(swizzle_128(offset), inside ? element : nullptr);
    for (std::size_t axis = 0; axis < 5 && ++index[axis] == map.box[axis]; ++axis)
      index[axis] = 0;
  }
}

/// Work that an engine does for a thread, as that thread.
template <class Work>
void as_thread(Thread* thread, Work work) {
  Thread* const current = current_thread;
  current_thread = thread;
  work();
  current_thread = current;
}

}  // namespace

void tma_load(void* shared, const CUtensorMap& map, std::uint64_t* mbarrier,
              const TileCoordinates& at, CallSite site) {
  constexpr const char* kName = "cp.async.bulk.tensor (load)";
  check_tile(shared, map, kName);
  Mbarrier::load(mbarrier, kName);
  const std::size_t bytes = tile_bytes(map);
  note_access(shared, bytes, Access::kIssue, site);
  std::memset(shared, 0xFF, bytes);
  const std::uint32_t offset = shared_offset(shared, kName);
  BlockRunner* runner = BlockRunner::current();
  runner->add_engine_work([=, thread = current_thread] {
    as_thread(thread, [&] {
      note_access(shared, bytes, Access::kDeliver, site);
      for_each_element(map, offset, at, [&](std::uint32_t to, const unsigned char* from) {
        if (from && !DeviceMemory::instance().valid(from, kElementBytes))
          fail(str(kName, ": ", DeviceMemory::instance().describe(from)));
        if (from) note_access(from, kElementBytes, Access::kRead, site);
        std::uint16_t element = 0;
        if (from) std::memcpy(&element, from, kElementBytes);
        std::memcpy(runner->shared().at(to), &element, kElementBytes);
      });
      Mbarrier state = Mbarrier::load(mbarrier, kName);
      state.bytes -= static_cast<std::int32_t>(bytes);
      if constexpr (kChecking) checker::release_to(mbarrier);
      state.store(mbarrier);
    });
  });
}

void tma_store(const CUtensorMap& map, const void* shared, const TileCoordinates& at,
               CallSite site) {
  constexpr const char* kName = "cp.async.bulk.tensor (store)";
  check_tile(shared, map, kName);
  BulkStores& mine = BlockRunner::current()->hopper().threads[current_thread->rank];
  mine.stores.push_back({map, shared_offset(shared, kName), at, site});
  ++mine.uncommitted;
}

void bulk_wait(unsigned newest) {
  BlockRunner* runner = BlockRunner::current();
  BulkStores& mine = runner->hopper().threads[current_thread->rank];
  for (; mine.groups.size() > newest; mine.groups.pop_front())
    for (std::size_t i = 0; i < mine.groups.front(); ++i) {
      const BulkStores::Store store = mine.stores.front();
      mine.stores.pop_front();
      for_each_element(store.map, store.shared, store.at, [&](std::uint32_t from, void* to) {
        note_access(runner->shared().at(from), kElementBytes, Access::kRead, store.site);
        if (!to) return;
        if (!DeviceMemory::instance().valid(to, kElementBytes))
          fail(str("cp.async.bulk.tensor (store): ", DeviceMemory::instance().describe(to)));
        note_access(to, kElementBytes, Access::kWrite, store.site);
        std::memcpy(to, runner->shared().at(from), kElementBytes);
      });
    }
}

}  // namespace whisker::inline v0_1::kernels::sim

namespace whisker::inline v0_1::kernels::cuda::ptx {

using namespace sim;

void mbarrier_init(std::uint64_t* mbarrier, std::uint32_t arrivals) {
  require_shared(mbarrier, 8, 8, "mbarrier.init");
  if (arrivals == 0 || arrivals > 0x7FFF) fail("mbarrier.init: a count is 1 to 32767 here");
  if constexpr (kChecking) checker::begin_mbarrier(mbarrier);
  *mbarrier = Mbarrier::kMagic << 56 | std::uint64_t{arrivals} << 40 | std::uint64_t{arrivals} << 25;
}

void mbarrier_arrive(std::uint64_t* mbarrier) { arrive(mbarrier, 0, "mbarrier.arrive"); }

void mbarrier_arrive_expect_tx(std::uint64_t* mbarrier, std::uint32_t bytes) {
  arrive(mbarrier, bytes, "mbarrier.arrive.expect_tx");
}

void mbarrier_wait(std::uint64_t* mbarrier, std::uint32_t parity, CallSite site) {
  struct Wait {
    const std::uint64_t* mbarrier;
    std::uint32_t parity;
  } const wait{mbarrier, parity};
  Mbarrier::load(mbarrier, "mbarrier.try_wait");
  BlockRunner::current()->wait_until(
      {[](const void* state) {
         const auto& mine = *static_cast<const Wait*>(state);
         return Mbarrier::load(mine.mbarrier, "mbarrier.try_wait").phase != mine.parity;
       },
       &wait},
      "mbarrier.try_wait", site);
  if constexpr (kChecking) checker::acquire_from(mbarrier);
}

void bulk_commit() {
  BulkStores& mine = BlockRunner::current()->hopper().threads[current_thread->rank];
  mine.groups.push_back(mine.uncommitted);
  mine.uncommitted = 0;
}

}  // namespace whisker::inline v0_1::kernels::cuda::ptx
