// The only platform header of a .cu file: CUDA under nvcc, the simulator under a host compiler.
// docs/simulator.md has the rules for kernels.
#pragma once

#ifdef WHISKER_SIM
#include <whisker/kernels/sim/device.h>
#else
#include <cuda_runtime.h>

/// Static shared memory of a block: WHISKER_SHARED(float, tile, [16][64]).
#define WHISKER_SHARED(T, name, dims) __shared__ __align__(16) T name dims
/// The dynamic shared memory of a block, 1024-byte aligned: unsigned char* name.
#define WHISKER_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#endif

#include <whisker/kernels/cuda/launch.h>
#include <whisker/kernels/cuda/ptx.h>
