// What the rest of the simulator tells the checker. Called only if kChecking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <whisker/kernels/sim/location.h>
#include <whisker/kernels/sim/stream.h>
#include <whisker/kernels/sim/thread.h>

namespace whisker::inline v0_1::kernels::sim::checker {

// Operations

/// What follows belongs to this operation of a stream, which comes after those that its clock names.
void begin_operation(const char* name, std::size_t stream, std::uint64_t sequence,
                     const Clock& clock);
/// What was found in the operation; empty if nothing was.
std::string take_report();
/// Device memory that nobody owns any more.
void forget_device_memory(const void* begin, std::size_t bytes);
void reset();

// Blocks and threads

void begin_block(unsigned threads);
/// All threads of the block order what they did before and after.
void barrier();
/// So do the lanes of `mask` in the current thread's warp.
void sync_warp(unsigned mask);
void fence();
/// An mbarrier: waiters learn what those who arrived have done.
void release_to(const void* mbarrier);
void acquire_from(const void* mbarrier);
void begin_mbarrier(const void* mbarrier);

// Memory

void access(const void* address, std::size_t bytes, Access kind, Location location);
/// An atomic operation also passes on what its thread has published with a fence.
void synchronize_at(const void* address);

/// Accesses from here on are those of an engine that works for a group of threads.
void begin_engine(unsigned engine);
void end_engine();
/// The current warp has waited for the engine.
void wait_for_engine(unsigned engine);

}  // namespace whisker::inline v0_1::kernels::sim::checker
