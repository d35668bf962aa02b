// The error state of the simulated device.
#pragma once

#include <string>

#include <whisker/kernels/sim/runtime_api.h>

namespace whisker::inline v0_1::kernels::sim {

/// The device fails with this report: every call returns cudaErrorLaunchFailure until reset(). Only
/// the first report is kept.
void set_sticky_error(std::string&& report);
/// Records an error of one call, with an explanation for cudaGetErrorString, and returns it.
cudaError_t set_error(cudaError_t error, std::string&& explanation);
/// The sticky error, or cudaSuccess.
cudaError_t sticky_error();
/// Forgets all errors.
void clear_errors();

}  // namespace whisker::inline v0_1::kernels::sim
