// oneDNN's convolutions as primitives: described, cached, and run.
#pragma once

#include <whisker/kernels/conv2d.h>
#include <whisker/kernels/cpu/onednn.h>

namespace whisker::inline v0_1::kernels::cpu {

using dnnl::memory;
using Dims = memory::dims;
template <class Primitive>
using PrimitivePtr = std::shared_ptr<const CachedPrimitive<Primitive>>;

/// oneDNN names the axes of a weight out, in, height, width, whatever their order in memory.
inline Dims weight_dims(const Conv2dShape& s) {
  return {s.out_channels, s.in_channels, s.kernel_h, s.kernel_w};
}

/// For NHWC activations of T, float or bfloat16, and a weight in the layout that oneDNN picks.
template <class T>
PrimitivePtr<dnnl::convolution_forward> forward_primitive(const Conv2dShape& shape, bool with_bias);
/// The gradient of the weight is float32.
template <class T>
PrimitivePtr<dnnl::convolution_backward_weights> backward_weight_primitive(
    const Conv2dShape& shape);

/// In how many tasks run_forward() cuts the output channels; 1 where it cuts the batch.
template <class T>
std::int64_t channel_tasks(const Conv2dShape& shape, bool with_bias);

/// How many images one task takes where the batch is cut, the last one fewer. Tasks are large
/// enough that starting them costs little, and many enough for the cores of a workstation.
template <class T>
std::int64_t images_per_task(const Conv2dShape& shape, bool with_bias);

/// The layout of the weight that run_forward() reads.
template <class T>
memory::desc forward_weight_layout(const Conv2dShape& shape, bool with_bias);

/// y [N, P, Q, O] = x [N, H, W, C] * weight + bias on all threads; bias [O] may be null.
template <class T>
void run_forward(const Conv2dShape& shape, const T* x, const void* packed_weight, const float* bias,
                 T* y, Context& context);

}  // namespace whisker::inline v0_1::kernels::cpu
