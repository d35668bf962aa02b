// Weight gradients of wide convolutions on CPUs with AVX-512. Private to kernels/cpu.
#pragma once

#include <whisker/kernels/conv2d.h>

namespace whisker::inline v0_1::kernels::cpu {

/// Whether this CPU and this shape (channels in tiles of 8 x 32) are served.
bool outer_product_serves(const Conv2dShape& shape);

/// conv2d_backward_weight by register-tiled outer products; see the .cpp file.
void outer_product_backward_weight(const float* x, const float* dy, float* dweight,
                                   const Conv2dShape& shape, Context& context);

}  // namespace whisker::inline v0_1::kernels::cpu
