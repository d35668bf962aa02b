// Which kernels ran to their end in which orders, for who wants to know whether tests left any out.
#pragma once

#include <whisker/kernels/sim/launch.h>

namespace whisker::inline v0_1::kernels::sim {

/// Appends "<address of the kernel, as nm prints it> <order of threads> <order of blocks>" to the
/// file named like the program in the folder WHISKER_SIM_RECORD, once per process for each such
/// line; without that variable does nothing. Throws Error if the file cannot be written.
void record_launch(const Launch& launch);

}  // namespace whisker::inline v0_1::kernels::sim
