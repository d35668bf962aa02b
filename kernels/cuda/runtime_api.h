// The CUDA runtime API for .cpp files: the toolkit's, or the simulator's subset of it.
#pragma once

#ifdef WHISKER_SIM
#include <whisker/kernels/sim/runtime_api.h>
#else
#include <cuda_runtime_api.h>
#endif
