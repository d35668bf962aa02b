// Differentiable up-sampling and average pooling of NHWC images.
//
// Each one's gradient is the other but for a factor, so all orders of derivatives exist.
#pragma once

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// Pixels of a larger image that belong to one of a smaller image.
struct Block2d {
  int height = 2, width = 2;
};

/// Nearest-neighbour up-sampling, x [N,H,W,C] -> y [N,H*R,W*S,C] with blocks of R x S pixels:
/// y[n,p,q,c] = x[n, p / R, q / S, c]. Throws ShapeError.
Tensor upsample2d(const Tensor& x, const Block2d& block = {});

/// The mean over blocks of R x S pixels that do not overlap, x [N,H,W,C] -> y [N,H/R,W/S,C]. Throws
/// ShapeError, also where R does not divide H or S does not divide W.
Tensor avg_pool2d(const Tensor& x, const Block2d& block = {});

}  // namespace whisker::inline v0_1
