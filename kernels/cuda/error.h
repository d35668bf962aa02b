// Turns error codes of the CUDA runtime into exceptions.
#pragma once

#include <string_view>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/call_site.h>
#include <whisker/kernels/cuda/runtime_api.h>

namespace whisker::inline v0_1::kernels::cuda {

/// Throws Error("<what>: <the runtime's text> (<file>:<line>)") unless `error` is cudaSuccess;
/// OutOfMemory if that is what it says.
void check_cuda(cudaError_t error, std::string_view what, CallSite site = CallSite::here());

}  // namespace whisker::inline v0_1::kernels::cuda
