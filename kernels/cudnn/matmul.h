// Matrix products by cuBLAS: a fallback and a yardstick.
#pragma once

#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/matmul.h>

namespace whisker::inline v0_1::kernels::cudnn {

/// As cuda::matmul: T is float, rounded to TF32 if context.tf32 and only then, or bfloat16; sums
/// are float. The first call on a stream must not be captured into a graph; later ones may be.
/// Throws Error where there is no cuBLAS.
template <class T>
void matmul(const T* a, const T* b, T* c, const MatmulShape& shape, cuda::Context& context);

}  // namespace whisker::inline v0_1::kernels::cudnn
