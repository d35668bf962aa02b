#include <algorithm>
#include <limits>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/conv2d_index.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

int to_int(std::int64_t value) {
  return static_cast<int>(value);
}

int window_size(const Conv2dShape& s) {
  return to_int(std::int64_t{s.kernel_h} * s.kernel_w * s.in_channels);
}

/// One axis of a phase of backward_data.
struct Phase {
  int first_tap, taps;  // kernel rows first_tap, first_tap + stride, ...
  int start;            // row of dy that the first pixel sees by the first of them
  int pixels;
};

Phase phase_of(int first, std::int64_t size, int kernel, int stride, int before) {
  const int first_tap = ((first + before) % stride + stride) % stride;  // before may be negative
  return {.first_tap = first_tap,
          .taps = first_tap < kernel ? ceil_div(kernel - first_tap, stride) : 0,
          .start = (first + before - first_tap) / stride,
          .pixels = ceil_div(to_int(size) - first, stride)};
}

}  // namespace

void check_gemm_sizes(const Conv2dShape& s) {
  // Tiles reach past the matrix by less than this.
  constexpr std::int64_t kLimit = std::numeric_limits<int>::max() - 65536;
  const auto check_size = [&](std::int64_t size, const char* what, const char* remedy) {
    check(size <= kLimit, "conv2d: ", size, " ", what, " are more than the ", kLimit,
          " that 32-bit indices reach; ", remedy, ": ", s.to_string());
  };
  check_size(s.batch * s.in_h * s.in_w, "pixels of x", "split the batch");
  check_size(std::max(s.in_h + std::max(s.padding.top, 0) + std::max(s.padding.bottom, 0),
                      s.in_w + std::max(s.padding.left, 0) + std::max(s.padding.right, 0)),
             "rows or columns of the padded x", "pad less");
  check_size(s.batch * s.out_h() * s.out_w(), "pixels of y", "split the batch");
  check_size(s.in_channels * s.kernel_h * s.kernel_w, "taps by input channels",
             "split the channels");
  check_size(s.out_channels * s.kernel_h * s.kernel_w, "taps by output channels",
             "split the channels");
  check_size(s.weight_size(), "elements of the weight", "split the channels");
}

ImageWindow forward_window(const Conv2dShape& s) {
  return {.height = to_int(s.in_h),
          .width = to_int(s.in_w),
          .step_h = s.stride_h,
          .step_w = s.stride_w,
          .start_h = -s.padding.top,
          .start_w = -s.padding.left,
          .direction = 1,
          .grid_h = IndexDivisor(to_int(s.out_h())),
          .grid_w = IndexDivisor(to_int(s.out_w())),
          .taps_w = IndexDivisor(s.kernel_w),
          .channels = IndexDivisor(to_int(s.in_channels))};
}

ForwardGemm forward_gemm(const Conv2dShape& s) {
  const int k = window_size(s);
  return {.m = to_int(s.batch * s.out_h() * s.out_w()),
          .n = to_int(s.out_channels),
          .k = k,
          .a = {forward_window(s)},
          .b = {k},
          .c = {to_int(s.out_channels)}};
}

BackwardWeightGemm backward_weight_gemm(const Conv2dShape& s) {
  const int n = window_size(s);
  return {.m = to_int(s.out_channels),
          .n = n,
          .k = to_int(s.batch * s.out_h() * s.out_w()),
          .a = {to_int(s.out_channels)},
          .b = {forward_window(s)},
          .c = {n}};
}

BackwardDataGemm backward_data_gemm(const Conv2dShape& s, int first_h, int first_w) {
  const Phase h = phase_of(first_h, s.in_h, s.kernel_h, s.stride_h, s.padding.top);
  const Phase w = phase_of(first_w, s.in_w, s.kernel_w, s.stride_w, s.padding.left);
  const IndexDivisor grid_h(h.pixels), grid_w(w.pixels);
  const IndexDivisor taps_w(std::max(w.taps, 1)), outputs(to_int(s.out_channels));
  return {.m = to_int(s.batch * h.pixels * w.pixels),
          .n = to_int(s.in_channels),
          .k = to_int(std::int64_t{h.taps} * w.taps * s.out_channels),
          .a = {{.height = to_int(s.out_h()),
                 .width = to_int(s.out_w()),
                 .start_h = h.start,
                 .start_w = w.start,
                 .direction = -1,
                 .grid_h = grid_h,
                 .grid_w = grid_w,
                 .taps_w = taps_w,
                 .channels = outputs}},
          .b = {.kernel_w = s.kernel_w,
                .channels = to_int(s.in_channels),
                .row_size = window_size(s),
                .first_h = h.first_tap,
                .first_w = w.first_tap,
                .stride_h = s.stride_h,
                .stride_w = s.stride_w,
                .taps_w = taps_w,
                .outputs = outputs},
          .c = {.height = to_int(s.in_h),
                .width = to_int(s.in_w),
                .channels = to_int(s.in_channels),
                .first_h = first_h,
                .first_w = first_w,
                .stride_h = s.stride_h,
                .stride_w = s.stride_w,
                .grid_h = grid_h,
                .grid_w = grid_w}};
}

}  // namespace whisker::inline v0_1::kernels::cuda
