// The shapes that tests, gradient checks and benchmarks of an op have in common.
#pragma once

#include <vector>

#include <whisker/core/ops/conv2d.h>

namespace whisker::testing {

struct ConvCase {
  const char* remark;
  Shape x, weight;
  Conv2dOptions options{};
};

inline Conv2dOptions strided(int stride_h, int stride_w) {
  return {.stride_h = stride_h, .stride_w = stride_w};
}
inline Conv2dOptions padded(int stride, int top, int bottom, int left, int right) {
  return {.stride_h = stride, .stride_w = stride, .padding = Padding{top, bottom, left, right}};
}

/// x [N,H,W,C] and weight [O,R,S,C], small enough for a full Jacobian.
inline const std::vector<ConvCase>& small_convs() {
  static const std::vector<ConvCase> cases{
      {"one pixel, one channel, kernel 1", {1, 1, 1, 1}, {1, 1, 1, 1}, strided(1, 1)},
      {"kernel 1 mixes channels only", {2, 3, 4, 3}, {5, 1, 1, 3}, strided(1, 1)},
      {"kernel 2 pads below and to the right", {1, 5, 4, 3}, {2, 2, 2, 3}, strided(1, 1)},
      {"kernel 3", {2, 4, 5, 3}, {4, 3, 3, 3}, strided(1, 1)},
      {"kernel 4, stride 2", {1, 6, 8, 3}, {4, 4, 4, 3}, strided(2, 2)},
      {"the article's: kernel 5, stride 2 pads 1, 2", {2, 6, 6, 2}, {3, 5, 5, 2}, strided(2, 2)},
      {"the same on an odd image pads 2, 2", {1, 7, 5, 2}, {3, 5, 5, 2}, strided(2, 2)},
      {"kernel 5, stride 1: the article's last layer", {1, 5, 6, 2}, {3, 5, 5, 2}, strided(1, 1)},
      {"kernel 6, stride 3", {1, 7, 10, 2}, {2, 6, 6, 2}, strided(3, 3)},
      {"kernel larger than the image", {1, 2, 3, 2}, {2, 5, 5, 2}, strided(1, 1)},
      {"one channel in and out, stride 2", {2, 6, 6, 1}, {1, 3, 3, 1}, strided(2, 2)},
      {"kernel 1, stride 3 skips pixels", {2, 7, 8, 3}, {2, 1, 1, 3}, strided(3, 3)},
      {"stride larger than the kernel", {1, 8, 9, 2}, {3, 2, 2, 2}, padded(3, 0, 0, 0, 0)},
      {"kernel and strides not square", {1, 6, 7, 2}, {3, 2, 5, 2}, strided(1, 2)},
      {"tall kernel, tall stride", {1, 9, 4, 2}, {2, 5, 1, 2}, strided(4, 1)},
      {"no padding", {2, 5, 4, 3}, {4, 3, 3, 3}, padded(1, 0, 0, 0, 0)},
      {"no padding, stride 2 leaves a row unused",
       {1, 6, 8, 2},
       {3, 3, 3, 2},
       padded(2, 0, 0, 0, 0)},
      {"a different padding on each side", {1, 4, 5, 2}, {2, 3, 3, 2}, padded(2, 0, 2, 2, 1)},
      {"as much padding as the kernel allows", {1, 3, 4, 2}, {3, 3, 3, 2}, padded(1, 2, 1, 2, 2)},
      {"the same, stride 2: some rows of y reach no pixel",
       {1, 4, 5, 2},
       {2, 3, 3, 2},
       padded(2, 2, 2, 2, 2)},
      {"kernel 1, padding 1: a border of bias", {2, 3, 4, 3}, {2, 1, 1, 3}, padded(1, 1, 1, 1, 1)},
      {"kernel 3, padding 3", {1, 4, 3, 2}, {3, 3, 3, 2}, padded(1, 3, 3, 3, 3)},
      {"kernel 3, stride 2, padding 5", {1, 4, 5, 2}, {2, 3, 3, 2}, padded(2, 5, 5, 5, 5)},
      {"a stride that steps from the padding past the first pixel",
       {1, 5, 6, 2},
       {2, 1, 1, 2},
       padded(3, 1, 4, 2, 0)},
      {"a stride that steps over the whole image",
       {1, 1, 1, 2},
       {3, 1, 1, 2},
       padded(3, 1, 2, 1, 1)},
      {"wide padding on one side", {1, 3, 4, 2}, {2, 2, 3, 2}, padded(1, 6, 0, 0, 4)},
      {"an empty batch", {0, 4, 4, 2}, {3, 3, 3, 2}, strided(2, 2)},
      {"an empty batch with wide padding", {0, 4, 4, 2}, {3, 3, 3, 2}, padded(1, 4, 4, 4, 4)},
  };
  return cases;
}

/// x and weight at sizes that take the vectorised and blocked paths, full blocks and remainders.
inline const std::vector<ConvCase>& large_convs() {
  static const std::vector<ConvCase> cases{
      {"blocks of channels", {2, 8, 8, 64}, {128, 5, 5, 64}, strided(2, 2)},
      {"channels are no multiple of 16", {1, 7, 6, 17}, {35, 3, 3, 17}, strided(1, 1)},
      {"channels are no multiple of 16, stride 2", {2, 9, 8, 70}, {33, 5, 5, 70}, strided(2, 2)},
      {"from colours", {2, 16, 16, 3}, {64, 5, 5, 3}, strided(2, 2)},
      {"to colours", {2, 12, 12, 64}, {3, 5, 5, 64}, strided(1, 1)},
      {"one channel to many", {2, 10, 10, 1}, {64, 4, 4, 1}, strided(2, 2)},
      {"many channels to one", {2, 4, 4, 96}, {1, 4, 4, 96}, padded(1, 0, 0, 0, 0)},
      {"one pixel", {3, 1, 1, 100}, {80, 1, 1, 100}, strided(1, 1)},
      {"a wide image", {1, 5, 41, 32}, {48, 3, 3, 32}, strided(1, 1)},
      {"as much padding as the kernel allows",
       {1, 6, 7, 32},
       {32, 3, 3, 32},
       padded(2, 2, 2, 2, 1)},
      {"stride 3", {1, 13, 11, 24}, {40, 4, 4, 24}, strided(3, 3)},
      {"kernel 1, padding 1", {2, 5, 6, 32}, {48, 1, 1, 32}, padded(1, 1, 1, 1, 1)},
      {"kernel 3, padding 3", {1, 7, 6, 32}, {35, 3, 3, 32}, padded(1, 3, 3, 3, 3)},
      {"kernel 3, stride 2, padding 5", {2, 8, 7, 24}, {32, 3, 3, 24}, padded(2, 5, 5, 5, 5)},
      {"padding wider than the kernel, from colours",
       {2, 9, 10, 3},
       {64, 5, 5, 3},
       padded(2, 6, 5, 7, 8)},
      {"an empty batch", {0, 8, 8, 64}, {64, 5, 5, 64}, strided(2, 2)},
  };
  return cases;
}

/// x [N,P,Q,I] and weight [I,R,S,O] of transposed convolutions.
inline const std::vector<ConvCase>& small_transposed_convs() {
  static const std::vector<ConvCase> cases{
      {"one pixel, one channel, kernel 1", {1, 1, 1, 1}, {1, 1, 1, 1}, strided(1, 1)},
      {"kernel 3", {1, 3, 4, 2}, {2, 3, 3, 3}, strided(1, 1)},
      {"the article's: kernel 5, stride 2 doubles", {2, 3, 3, 2}, {2, 5, 5, 3}, strided(2, 2)},
      {"PyTorch's usual: kernel 4, stride 2, padding 1",
       {1, 3, 2, 2},
       {2, 4, 4, 3},
       padded(2, 1, 1, 1, 1)},
      {"kernel 6, stride 3", {1, 2, 3, 2}, {2, 6, 6, 2}, strided(3, 3)},
      {"stride larger than the kernel: only bias between",
       {1, 3, 2, 2},
       {2, 2, 2, 3},
       padded(3, 0, 0, 0, 0)},
      {"kernel and strides not square", {1, 3, 4, 2}, {2, 5, 2, 3}, strided(2, 1)},
      {"no padding", {1, 2, 3, 3}, {3, 3, 3, 2}, padded(2, 0, 0, 0, 0)},
      {"as much padding as the kernel allows", {1, 6, 5, 2}, {2, 3, 3, 2}, padded(2, 2, 2, 2, 2)},
      {"kernel 1, padding 1 crops", {2, 4, 5, 2}, {2, 1, 1, 3}, padded(1, 1, 1, 1, 1)},
      {"kernel 3, padding 3", {1, 7, 6, 2}, {2, 3, 3, 2}, padded(1, 3, 3, 3, 3)},
      {"kernel 3, stride 2, padding 5", {1, 7, 8, 2}, {2, 3, 3, 2}, padded(2, 5, 5, 5, 5)},
      {"PyTorch's kernel 3, stride 2, padding 0, output_padding 1",
       {2, 3, 2, 2},
       {2, 3, 3, 3},
       padded(2, 0, -1, 0, -1)},
      {"kernel 1, stride 3, output_padding 2", {1, 3, 2, 2}, {2, 1, 1, 2}, padded(3, 0, -2, 0, -2)},
      {"negative padding before", {1, 3, 2, 2}, {2, 4, 3, 2}, padded(2, -1, 0, -3, 1)},
      {"one channel out", {2, 3, 3, 3}, {3, 3, 3, 1}, strided(2, 2)},
      {"an empty batch", {0, 3, 3, 2}, {2, 5, 5, 3}, strided(2, 2)},
  };
  return cases;
}

inline const std::vector<ConvCase>& large_transposed_convs() {
  static const std::vector<ConvCase> cases{
      {"blocks of channels", {2, 4, 4, 128}, {128, 5, 5, 64}, strided(2, 2)},
      {"channels are no multiple of 16", {1, 5, 6, 37}, {37, 5, 5, 19}, strided(2, 2)},
      {"to colours, stride 1", {2, 12, 12, 64}, {64, 5, 5, 3}, strided(1, 1)},
      {"noise of 100 numbers to 4x4", {2, 1, 1, 100}, {100, 4, 4, 64}, padded(1, 0, 0, 0, 0)},
      {"kernel 4, stride 2, padding 1", {2, 5, 5, 64}, {64, 4, 4, 32}, padded(2, 1, 1, 1, 1)},
      {"kernel 3, padding 4", {2, 9, 10, 37}, {37, 3, 3, 19}, padded(1, 4, 4, 4, 4)},
      {"kernel 3, stride 2, output_padding 1",
       {2, 5, 4, 64},
       {64, 3, 3, 32},
       padded(2, 0, -1, 0, -1)},
      {"to colours, negative padding", {1, 5, 6, 64}, {64, 5, 5, 3}, padded(2, -2, -1, 1, -3)},
  };
  return cases;
}

}  // namespace whisker::testing
