// Which accesses of the threads of one block come before which: vector clocks.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

namespace whisker::inline v0_1::kernels::sim {

/// Accesses carry the stamp that their thread has at the time. Stamps come from one counter that
/// only grows, so a barrier is one number: whatever has a smaller stamp came before it.
class ThreadClocks {
 public:
  static constexpr unsigned kThreads = 1024;
  /// Engines that work for a group of threads; their accesses are known to who waited for them.
  static constexpr unsigned kEngines = 32;

  ThreadClocks();

  void begin_block(std::uint32_t block, unsigned threads);
  void begin_operation() { published_.clear(); }

  std::uint32_t stamp(unsigned thread) const { return stamps_[thread]; }
  /// Whether what `other` (a thread or kThreads + engine) did in this block at `stamp` comes before
  /// what `thread` does now.
  bool before(unsigned other, std::uint32_t stamp, unsigned thread) const;
  /// The same for a thread of another block of the grid.
  bool before(std::uint32_t block, unsigned other, std::uint32_t stamp, unsigned thread) const;

  void barrier();
  void sync_lanes(unsigned first_thread, unsigned mask);

  // Objects in memory through which threads of a block learn from each other (mbarriers).
  void release(unsigned thread, std::uint32_t object);
  void acquire(unsigned thread, std::uint32_t object);
  void forget_object(std::uint32_t object) { objects_.erase(object); }

  // Atomics: what precedes a fence is visible to who sees a later atomic of the same thread.
  void fence(unsigned thread);
  void atomic(unsigned thread, const void* address);

  // Engines
  std::uint32_t engine_stamp(unsigned engine) const { return engine_stamps_[engine]; }
  /// The thread knows all that the engine did; what it does from now on is new.
  void wait_for_engine(unsigned thread, unsigned engine);
  void advance_engine(unsigned engine) { engine_stamps_[engine] = ++counter_; }

 private:
  static constexpr unsigned kAll = kThreads + kEngines;
  using Known = std::array<std::uint32_t, kAll>;  // newest known stamp of each thread and engine

  /// What other blocks have published at an address.
  struct Publication;
  struct Snapshot {
    std::uint32_t block, floor;
    std::vector<std::pair<unsigned, std::uint32_t>> newer;  // stamps known beyond the floor
  };
  struct Publication {
    std::vector<Snapshot> snapshots;
    std::unordered_map<std::uint32_t, std::vector<std::size_t>> of_block;
  };
  /// The first `count` snapshots of a publication.
  struct Seen {
    const Publication* publication;
    std::size_t count;
  };

  static void learn(std::vector<Seen>& seen, const Publication& publication, std::size_t count);
  static bool covers(const std::vector<Seen>& seen, std::uint32_t block, unsigned other,
                     std::uint32_t stamp);

  std::uint32_t block_ = 0;
  unsigned threads_ = 0;
  std::uint32_t counter_ = 1, floor_ = 1;
  bool across_warps_ = false;  // whether threads know more than barriers and their warps tell
  std::array<std::uint32_t, kThreads> stamps_{};
  std::array<std::uint32_t, kEngines> engine_stamps_{};
  std::vector<Known> known_;
  std::map<std::uint32_t, Known> objects_;

  std::map<const void*, Publication> published_;
  std::vector<Snapshot> fenced_;         // what each thread knew at its last fence
  std::vector<std::vector<Seen>> seen_;  // by each thread
  std::vector<Seen> seen_by_all_;
};

}  // namespace whisker::inline v0_1::kernels::sim
