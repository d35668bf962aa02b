// What a CUDA kernel's host side needs besides its arguments.
#pragma once

#include <cstddef>
#include <functional>

#include <whisker/kernels/context.h>
#include <whisker/kernels/cuda/runtime_api.h>

namespace whisker::inline v0_1::kernels::cuda {

/// One stream of one device and what the choice of kernels depends on.
struct Context {
  /// Returns 256-byte aligned device memory, ordered with `stream`: it may be dropped as soon as
  /// the launches that use it are queued. Throws OutOfMemory.
  std::function<Buffer(std::size_t bytes)> allocate;
  cudaStream_t stream = nullptr;
  int device = 0;
  int sm_count = 1;
  std::size_t max_shared_bytes = 48 * 1024;  // dynamic shared memory that one block may have
  bool tf32 = false;                         // float products may be rounded to TF32
};

}  // namespace whisker::inline v0_1::kernels::cuda
