#include <algorithm>
#include <bit>

#include <whisker/kernels/sim/thread_clocks.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

constexpr unsigned kLanes = 32;

}  // namespace

ThreadClocks::ThreadClocks() : known_(kThreads), fenced_(kThreads), seen_(kThreads) {}

void ThreadClocks::begin_block(std::uint32_t block, unsigned threads) {
  // Stamps are compared within a block only, so the counter may start again before it overflows.
  if (counter_ > 0xF0000000u) {
    counter_ = 1;
    known_.assign(kThreads, Known{});
  }
  block_ = block;
  threads_ = threads;
  across_warps_ = false;
  floor_ = ++counter_;
  stamps_.fill(floor_);
  engine_stamps_.fill(floor_);
  objects_.clear();
  for (unsigned thread = 0; thread < threads; ++thread) {
    fenced_[thread].floor = 0;
    seen_[thread].clear();
  }
  seen_by_all_.clear();
}

bool ThreadClocks::before(unsigned other, std::uint32_t stamp, unsigned thread) const {
  if (other == thread) return true;
  if (other < kThreads && stamp < floor_) return true;
  if (stamp <= known_[thread][other]) return true;
  return before(block_, other, stamp, thread);
}

bool ThreadClocks::before(std::uint32_t block, unsigned other, std::uint32_t stamp,
                          unsigned thread) const {
  return covers(seen_[thread], block, other, stamp) || covers(seen_by_all_, block, other, stamp);
}

bool ThreadClocks::covers(const std::vector<Seen>& seen, std::uint32_t block, unsigned other,
                          std::uint32_t stamp) {
  for (const Seen& one : seen) {
    const auto found = one.publication->of_block.find(block);
    if (found == one.publication->of_block.end()) continue;
    for (const std::size_t i : found->second) {
      if (i >= one.count) break;
      const Snapshot& snapshot = one.publication->snapshots[i];
      if (other < kThreads && stamp < snapshot.floor) return true;
      for (const auto& [thread, newest] : snapshot.newer)
        if (thread == other && stamp <= newest) return true;
    }
  }
  return false;
}

void ThreadClocks::barrier() {
  // What any thread knows of an engine, all know now.
  for (unsigned engine = kThreads; engine < kAll && across_warps_; ++engine) {
    std::uint32_t newest = 0;
    for (unsigned thread = 0; thread < threads_; ++thread)
      newest = std::max(newest, known_[thread][engine]);
    for (unsigned thread = 0; thread < threads_; ++thread)
      known_[thread][engine] = newest;
  }
  floor_ = ++counter_;
  std::fill_n(stamps_.begin(), threads_, floor_);
  for (unsigned thread = 0; thread < threads_; ++thread) {
    for (const Seen& one : seen_[thread])
      learn(seen_by_all_, *one.publication, one.count);
    seen_[thread].clear();
  }
}

void ThreadClocks::sync_lanes(unsigned first_thread, unsigned mask) {
  const unsigned begin = across_warps_ ? 0 : first_thread;
  const unsigned end = across_warps_ ? kAll : std::min(first_thread + kLanes, kThreads);
  Known joined;
  std::fill(joined.begin() + begin, joined.begin() + end, 0u);
  std::vector<Seen> seen;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const unsigned thread = first_thread + static_cast<unsigned>(std::countr_zero(rest));
    for (unsigned other = begin; other < end; ++other)
      joined[other] = std::max(joined[other], known_[thread][other]);
    joined[thread] = std::max(joined[thread], stamps_[thread]);
    for (const Seen& one : seen_[thread])
      learn(seen, *one.publication, one.count);
  }
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const unsigned thread = first_thread + static_cast<unsigned>(std::countr_zero(rest));
    std::copy(joined.begin() + begin, joined.begin() + end, known_[thread].begin() + begin);
    stamps_[thread] = ++counter_;
    seen_[thread] = seen;
  }
}

void ThreadClocks::release(unsigned thread, std::uint32_t object) {
  Known& at_object = objects_[object];
  for (unsigned other = 0; other < kAll; ++other)
    at_object[other] = std::max(at_object[other], known_[thread][other]);
  at_object[thread] = std::max(at_object[thread], stamps_[thread]);
  stamps_[thread] = ++counter_;
}

void ThreadClocks::acquire(unsigned thread, std::uint32_t object) {
  const Known& at_object = objects_[object];
  for (unsigned other = 0; other < kAll; ++other)
    known_[thread][other] = std::max(known_[thread][other], at_object[other]);
  across_warps_ = true;
}

void ThreadClocks::wait_for_engine(unsigned thread, unsigned engine) {
  known_[thread][kThreads + engine] = engine_stamps_[engine];
  across_warps_ = true;
}

void ThreadClocks::fence(unsigned thread) {
  Snapshot& snapshot = fenced_[thread];
  snapshot.block = block_;
  snapshot.floor = floor_;
  snapshot.newer.clear();
  for (unsigned other = 0; other < threads_; ++other)
    if (other != thread && known_[thread][other] >= floor_)
      snapshot.newer.emplace_back(other, known_[thread][other]);
  snapshot.newer.emplace_back(thread, stamps_[thread]);
  stamps_[thread] = ++counter_;
}

void ThreadClocks::atomic(unsigned thread, const void* address) {
  Publication& publication = published_[address];
  learn(seen_[thread], publication, publication.snapshots.size());
  if (fenced_[thread].floor == 0) return;  // no fence before it
  publication.of_block[block_].push_back(publication.snapshots.size());
  publication.snapshots.push_back(fenced_[thread]);
}

void ThreadClocks::learn(std::vector<Seen>& seen, const Publication& publication,
                         std::size_t count) {
  if (count == 0) return;
  for (Seen& one : seen) {
    if (one.publication != &publication) continue;
    one.count = std::max(one.count, count);
    return;
  }
  seen.push_back({&publication, count});
}

}  // namespace whisker::inline v0_1::kernels::sim
