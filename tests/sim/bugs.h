// Small kernels with one bug each, and without it.
#pragma once

#include <string>

namespace whisker::testing {

enum class Variant { kCorrect, kBroken };

struct Outcome {
  std::string report;  // what the simulator said; empty if nothing
  bool right = true;   // whether the numbers are
};

// Shared memory and barriers
Outcome missing_barrier_before_read(Variant variant);
Outcome missing_barrier_before_overwrite(Variant variant);
Outcome missing_syncwarp(Variant variant);
Outcome uninitialised_shared_read(Variant variant);
Outcome shared_write_past_end(Variant variant);
Outcome row_overflow(Variant variant);
Outcome neighbouring_bytes(Variant variant);
Outcome missing_copy_wait(Variant variant);
Outcome copy_never_waited_for(Variant variant);
Outcome divergent_barrier(Variant variant);
Outcome exit_before_barrier(Variant variant);
Outcome divergent_shuffle(Variant variant);
Outcome shuffle_outside_mask(Variant variant);
Outcome deadlock(Variant variant);

// Device memory
Outcome write_past_end(Variant variant);
Outcome read_past_end(Variant variant);
Outcome uninitialised_device_read(Variant variant);
Outcome use_after_free(Variant variant);
Outcome misaligned_vector(Variant variant);
Outcome pageable_pointer(Variant variant);
Outcome blocks_add_without_atomics(Variant variant);
Outcome atomic_and_store(Variant variant);
Outcome last_block_without_fence(Variant variant);

// Streams
Outcome missing_event_before_read(Variant variant);
Outcome missing_event_before_overwrite(Variant variant);
Outcome missing_edge_in_graph(Variant variant);
Outcome freed_while_in_use(Variant variant);

}  // namespace whisker::testing
