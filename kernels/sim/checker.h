// What the rest of the simulator tells the checker. Called only if kChecking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <whisker/kernels/sim/stream.h>
#include <whisker/kernels/sim/thread.h>

namespace whisker::inline v0_1::kernels::sim::checker {

// Operations

/// What follows belongs to this operation of a stream, which comes after those that its clock names.
void begin_operation(const char* name, std::size_t stream, std::uint64_t sequence,
                     const Clock& clock);
/// What was found in the operation; empty if nothing was.
std::string take_report();
void reset();

// Blocks and threads

void begin_block(unsigned threads);
/// All threads of the block order what they did before and after.
void barrier();
/// So do the lanes of `mask` in the current thread's warp.
void sync_warp(unsigned mask);
void fence();

// Memory

void access(const void* address, std::size_t bytes, Access kind);

}  // namespace whisker::inline v0_1::kernels::sim::checker
