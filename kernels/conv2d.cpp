#include <algorithm>

#include <whisker/kernels/check.h>
#include <whisker/kernels/conv2d.h>

namespace whisker::inline v0_1::kernels {
namespace {

int same_padding(std::int64_t in, int kernel, int stride) {
  const std::int64_t out = (in + stride - 1) / stride;
  return static_cast<int>(std::max<std::int64_t>((out - 1) * stride + kernel - in, 0));
}

}  // namespace

Padding Padding::same(std::int64_t in_h, std::int64_t in_w, int kernel_h, int kernel_w,
                      int stride_h, int stride_w) {
  const int rows = same_padding(in_h, kernel_h, stride_h);
  const int columns = same_padding(in_w, kernel_w, stride_w);
  return {.top = rows / 2,
          .bottom = rows - rows / 2,
          .left = columns / 2,
          .right = columns - columns / 2};
}

double Conv2dShape::flops() const {
  return 2.0 * static_cast<double>(output_size()) * static_cast<double>(in_channels) * kernel_h *
         kernel_w;
}

bool Conv2dShape::has_usual_padding() const {
  const auto usual = [](int side, int kernel) { return side >= 0 && side < kernel; };
  return usual(padding.top, kernel_h) && usual(padding.bottom, kernel_h) &&
         usual(padding.left, kernel_w) && usual(padding.right, kernel_w);
}

void Conv2dShape::validate() const {
  check<ShapeError>(batch >= 0 && in_h >= 0 && in_w >= 0, "conv2d: negative size in ", to_string());
  check<ShapeError>(in_channels > 0 && out_channels > 0,
                    "conv2d: wants at least one channel in and out, got ", to_string());
  check<ShapeError>(kernel_h > 0 && kernel_w > 0, "conv2d: kernel ", kernel_h, "x", kernel_w,
                    " must be positive");
  check<ShapeError>(stride_h > 0 && stride_w > 0, "conv2d: stride ", stride_h, "x", stride_w,
                    " must be positive");
  check<ShapeError>(in_h + padding.top + padding.bottom >= kernel_h &&
                        in_w + padding.left + padding.right >= kernel_w,
                    "conv2d: kernel ", kernel_h, "x", kernel_w, " does not fit into the padded ",
                    in_h + padding.top + padding.bottom, "x", in_w + padding.left + padding.right,
                    " image");
}

std::string Conv2dShape::to_string() const {
  return str("x [", batch, ",", in_h, ",", in_w, ",", in_channels, "] * w [", out_channels, ",",
             kernel_h, ",", kernel_w, ",", in_channels, "] / ", stride_h, "x", stride_w, " pad ",
             padding.top, ",", padding.bottom, ",", padding.left, ",", padding.right);
}

}  // namespace whisker::inline v0_1::kernels
