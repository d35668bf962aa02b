// What is left of a convolution whose padding is as wide as the kernel, or negative, once
// everything is cut off that no product reaches: an ordinary convolution, for which oneDNN is made.
#pragma once

#include <whisker/kernels/conv2d.h>

namespace whisker::inline v0_1::kernels::cpu {

/// A part of an image.
struct Window {
  std::int64_t top = 0, left = 0, height = 0, width = 0;
};

/// The parts of x and y between which the products are, and the convolution from one to the other.
/// Outside of them y and dx are the bias. Both parts are empty where there is no product.
struct Conv2dReach {
  Conv2dShape shape;
  Window x, y;

  explicit Conv2dReach(const Conv2dShape& whole);
};

/// A copy of the window of images [N, H, W, C].
template <class T>
Buffer cut(const T* images, std::int64_t batch, std::int64_t height, std::int64_t width,
           std::int64_t channels, const Window& window, Context& context);

/// Fills images [N, H, W, C] with the bias, or zeros without one, and puts `part` into the window.
template <class T>
void paste(const T* part, const compute_type<T>* bias, T* images, std::int64_t batch,
           std::int64_t height, std::int64_t width, std::int64_t channels, const Window& window);

}  // namespace whisker::inline v0_1::kernels::cpu
