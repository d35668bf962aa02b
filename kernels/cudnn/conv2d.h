// Convolutions by cuDNN, for shapes that no kernel of ours serves well and as a yardstick.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <whisker/kernels/conv2d.h>
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_choice.h>

namespace whisker::inline v0_1::kernels::cudnn {

/// What an execution plan of cuDNN is made for.
struct Conv2dProblem {
  cuda::Conv2dPass pass = cuda::Conv2dPass::forward;
  Conv2dShape shape;
  cuda::Conv2dMath math = cuda::Conv2dMath::float32;
  friend bool operator==(const Conv2dProblem&, const Conv2dProblem&) = default;
};

/// An engine of cuDNN with its settings, such as "eng47_k2=5_k14=3". Names hold for one version.
struct Conv2dEngine {
  std::string name;
  std::size_t workspace_bytes = 0;
};

/// Every engine that computes the problem, the best guess of cuDNN first. All are deterministic,
/// and none rounds its factors more than problem.math says. Slow: some are compiled here.
std::vector<Conv2dEngine> list_conv2d_engines(const Conv2dProblem& problem, cuda::Context& context);

/// Whether cuDNN is there and has this engine, or any if the name is empty, for the problem.
/// Remembers the answer.
bool conv2d_supported(const Conv2dProblem& problem, std::string_view engine,
                      cuda::Context& context);

// As the functions of namespace cuda, by the engine of this name, or by cuDNN's best guess if it
// is empty. All pointers are multiples of 16 bytes and no array is empty. Engines are looked up at
// the first call for a problem, which must not be captured into a graph; later ones may be. Throw
// Error where there is no such engine.

template <class T>
void conv2d_forward(const T* x, Weight<float> weight, const float* bias, T* y,
                    const Conv2dShape& shape, std::string_view engine, cuda::Context& context);
template <class T>
void conv2d_backward_data(const T* dy, Weight<float> weight, const float* bias, T* dx,
                          const Conv2dShape& shape, std::string_view engine,
                          cuda::Context& context);
/// dweight is rounded to T on its way if it is float: cuDNN has no other engine for bfloat16.
template <class T, class TWeight>
void conv2d_backward_weight(const T* x, const T* dy, TWeight* dweight, const Conv2dShape& shape,
                            std::string_view engine, cuda::Context& context);

}  // namespace whisker::inline v0_1::kernels::cudnn
