// Runs all blocks of a kernel.
#pragma once

#include <string>

#include <whisker/kernels/sim/launch.h>

namespace whisker::inline v0_1::kernels::sim {

/// Runs a kernel to its end on config().threads OS threads; empty, or what went wrong first.
std::string run_grid(const Launch& launch);

}  // namespace whisker::inline v0_1::kernels::sim
