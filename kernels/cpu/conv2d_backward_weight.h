// Weight gradients by oneDNN, cut into tasks. Private to kernels/cpu.
#pragma once

#include <whisker/kernels/conv2d.h>

namespace whisker::inline v0_1::kernels::cpu {

/// How a weight gradient is cut: into slices of output channels, each summed over parts of the
/// batch; from the shape alone.
struct WeightGradientTasks {
  std::int64_t channels, slices;  // channels of a slice
  std::int64_t images, parts;     // images of a part

  explicit WeightGradientTasks(const Conv2dShape& shape);
};

/// conv2d_backward_weight for shapes without empty axes.
template <class T>
void run_backward_weight(const Conv2dShape& shape, const T* x, const T* dy, float* dweight,
                         Context& context);

}  // namespace whisker::inline v0_1::kernels::cpu
