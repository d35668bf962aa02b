// Activations by cuDNN: yardsticks, and what its batch norm needs for a leaky ReLU.
#pragma once

#include <cstdint>

#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/elementwise.h>

namespace whisker::inline v0_1::kernels::cudnn {

// As the functions of namespace cuda for Op = LeakyRelu, Tanh or Sigmoid and T = float or bfloat16:
// 1 < n < 2^31. The kernel of a leaky ReLU is compiled by cuDNN at the first call for an n, which
// must not be captured into a graph; later ones may be. Throw Error where there is no cuDNN.

/// y[i] = op(x[i]).
template <class Op, class T>
void unary_forward(const T* x, T* y, std::int64_t n, Op op, cuda::Context& context);

/// dx[i] = op.gradient(dy[i], saved[i]); saved is x or y as Op::kSavesOutput says.
template <class Op, class T>
void unary_backward(const T* dy, const T* saved, T* dx, std::int64_t n, Op op,
                    cuda::Context& context);

}  // namespace whisker::inline v0_1::kernels::cudnn
