// Marks functions that both CPU and GPU code call.
#pragma once

#ifdef __CUDACC__
#define WHISKER_HOST_DEVICE __host__ __device__
#else
#define WHISKER_HOST_DEVICE
#endif
