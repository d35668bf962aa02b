// Whether NVIDIA's libraries can be used here. They never need to be: every op has a kernel of its
// own. Convolutions, products and batch norm may be chosen instead of ours, see
// kernels/cuda/*_choice.h; activations are yardsticks, and serve cuDNN's batch norm.
#pragma once

#include <string>

namespace whisker::inline v0_1::kernels::cudnn {

/// Whether this build can use the libraries at all: WHISKER_CUDA=native with their headers.
#ifdef WHISKER_CUDNN
inline constexpr bool kWithCudnn = true;
#else
inline constexpr bool kWithCudnn = false;
#endif

// The rest is defined where kWithCudnn.

/// Whether libcudnn.so.9 was found at run time. Opens it at the first call; never throws.
bool cudnn_available();
/// "cuDNN 9.19.0", or why it cannot be used.
std::string describe_cudnn();

/// The same for libcublas.so.13, or .12.
bool cublas_available();
std::string describe_cublas();

}  // namespace whisker::inline v0_1::kernels::cudnn
