#include <algorithm>
#include <cstring>

#include <whisker/kernels/cpu/conv2d_reach.h>
#include <whisker/kernels/cpu/parallel.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return a > 0 ? (a + b - 1) / b : 0;
}

/// One axis: outputs [first, first + count) see pixels [begin, end), with padding around these.
struct ReachedAxis {
  std::int64_t first = 0, count = 0, begin = 0, end = 0;
  int before = 0, after = 0;

  ReachedAxis(std::int64_t in, std::int64_t out, int kernel, int stride, std::int64_t padding) {
    // Output p sees the pixels from p * stride - padding on.
    first = std::min(ceil_div(padding - kernel + 1, stride), out);
    count = std::max<std::int64_t>(std::min(ceil_div(in + padding, stride), out) - first, 0);
    if (count == 0) return;
    const std::int64_t low = first * stride - padding;
    const std::int64_t high = low + (count - 1) * stride + kernel;
    begin = std::max<std::int64_t>(low, 0);
    end = std::min(high, in);
    before = static_cast<int>(begin - low);
    after = static_cast<int>(high - end);
  }
};

}  // namespace

Conv2dReach::Conv2dReach(const Conv2dShape& whole) : shape(whole) {
  const ReachedAxis h(whole.in_h, whole.out_h(), whole.kernel_h, whole.stride_h, whole.padding.top);
  const ReachedAxis w(whole.in_w, whole.out_w(), whole.kernel_w, whole.stride_w,
                      whole.padding.left);
  if (h.count == 0 || w.count == 0) return;
  x = {.top = h.begin, .left = w.begin, .height = h.end - h.begin, .width = w.end - w.begin};
  y = {.top = h.first, .left = w.first, .height = h.count, .width = w.count};
  shape.in_h = x.height;
  shape.in_w = x.width;
  shape.padding = {.top = h.before, .bottom = h.after, .left = w.before, .right = w.after};
}

template <class T>
Buffer cut(const T* images, std::int64_t batch, std::int64_t height, std::int64_t width,
           std::int64_t channels, const Window& window, Context& context) {
  const auto row = static_cast<std::size_t>(window.width * channels) * sizeof(T);
  const std::int64_t rows = batch * window.height;
  Buffer buffer = context.allocate(static_cast<std::size_t>(rows) * row);
  auto* to = reinterpret_cast<std::byte*>(buffer.get());
  for (std::int64_t i = 0; i < rows; ++i, to += row) {
    const std::int64_t n = i / window.height, h = window.top + i % window.height;
    std::memcpy(to, images + ((n * height + h) * width + window.left) * channels, row);
  }
  return buffer;
}

template <class T>
void paste(const T* part, const compute_type<T>* bias, T* images, std::int64_t batch,
           std::int64_t height, std::int64_t width, std::int64_t channels, const Window& window) {
  const auto row = static_cast<std::size_t>(window.width * channels) * sizeof(T);
  parallel_for(batch, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * height * width; i < end * height * width; ++i)
      for (std::int64_t c = 0; c < channels; ++c)
        images[i * channels + c] = bias ? T(bias[c]) : T(0.0f);
    for (std::int64_t i = begin * window.height; i < end * window.height; ++i) {
      const std::int64_t n = i / window.height, h = window.top + i % window.height;
      std::memcpy(images + ((n * height + h) * width + window.left) * channels,
                  part + i * window.width * channels, row);
    }
  });
}

#define WHISKER_INSTANTIATE(T)                                                              \
  template Buffer cut(const T*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,     \
                      const Window&, Context&);                                             \
  template void paste(const T*, const float*, T*, std::int64_t, std::int64_t, std::int64_t, \
                      std::int64_t, const Window&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cpu
