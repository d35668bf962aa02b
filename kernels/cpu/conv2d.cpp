// Convolutions by oneDNN on NHWC activations, with weights in the layouts that oneDNN picks.
//
// backward_data is split by phases: the pixels h of dx with the same (h + top) mod stride meet the
// same kernel rows, so each such phase is an ordinary stride-1 convolution of dy with a flipped
// part of the kernel. Nothing is multiplied by the zeros that a strided adjoint would insert, and
// the forward kernels it runs on are oneDNN's fastest.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <whisker/kernels/conv2d.h>
#include <whisker/kernels/cpu/conv2d_backward_weight.h>
#include <whisker/kernels/cpu/conv2d_primitives.h>
#include <whisker/kernels/cpu/conv2d_reach.h>
#include <whisker/kernels/cpu/outer_product.h>
#include <whisker/kernels/cpu/pack_taps.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

using Tag = memory::format_tag;

/// Names a packed layout: the part of the weight that was packed, and the layout it was given.
std::uint64_t layout_key(const memory::desc& desc, const std::array<int, 4>& part) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  const auto mix = [&hash](const void* data, std::size_t bytes) {
    const auto* p = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < bytes; ++i)
      hash = (hash ^ p[i]) * 0x100000001B3u;
  };
  mix(part.data(), sizeof(part));
  const auto mix_dims = [&mix](const Dims& dims) {
    mix(dims.data(), dims.size() * sizeof(dims[0]));
  };
  const Blocking layout = blocking_of(desc);
  mix_dims({static_cast<std::int64_t>(layout.type)});
  mix_dims(layout.padded_dims);
  mix_dims(layout.strides);
  mix_dims(layout.inner_blks);
  mix_dims(layout.inner_idxs);
  return hash;
}

Buffer packed(const Weight<float>& weight, std::uint64_t layout,
              const std::function<Buffer()>& pack) {
  return weight.packed ? weight.packed->get(layout, pack) : pack();
}

/// One axis of a phase: the pixels first, first + stride, ... of dx are a stride-1 convolution of
/// dy with `taps` kernel rows, those at kernel_first, kernel_first + stride, ... in reverse.
struct PhaseAxis {
  std::int64_t first = 0, count = 0;  // of all pixels
  std::int64_t computed = 0;          // of those that see dy: the last ones may see padding alone
  int kernel_first = 0, taps = 0;
  std::int64_t pad_before = 0, pad_after = 0;  // negative where dy has rows that go unused

  PhaseAxis(int phase, std::int64_t in, std::int64_t out, int kernel, int stride, int padding)
      : kernel_first(phase) {
    first = ((phase - padding) % stride + stride) % stride;
    count = in > first ? (in - first + stride - 1) / stride : 0;
    taps = kernel > phase ? (kernel - phase + stride - 1) / stride : 0;
    pad_before = taps - 1 - (first + padding - phase) / stride;
    // oneDNN's kernels do not expect padding as wide as the kernel.
    const std::int64_t trailing = std::max<std::int64_t>(count - out - pad_before, 0);
    computed = std::max<std::int64_t>(count - trailing, 0);
    pad_after = computed - out - pad_before + taps - 1;
  }
};

struct Phase {
  PhaseAxis h, w;

  Phase(const Conv2dShape& s, int phase)
      : h(phase / s.stride_w, s.in_h, s.out_h(), s.kernel_h, s.stride_h, s.padding.top),
        w(phase % s.stride_w, s.in_w, s.out_w(), s.kernel_w, s.stride_w, s.padding.left) {}

  bool empty() const { return h.count == 0 || w.count == 0; }
  bool sees_all() const { return h.computed == h.count && w.computed == w.count; }
  /// Rows or columns of dy that no pixel of this phase reads have to be cut off first.
  std::array<std::int64_t, 4> crop() const {
    return {std::max<std::int64_t>(-h.pad_before, 0), std::max<std::int64_t>(-h.pad_after, 0),
            std::max<std::int64_t>(-w.pad_before, 0), std::max<std::int64_t>(-w.pad_after, 0)};
  }

  /// The convolution of (cropped) dy that gives this phase's pixels.
  Conv2dShape convolution(const Conv2dShape& s) const {
    const auto [top, bottom, left, right] = crop();
    const auto pad = [](std::int64_t p) { return static_cast<int>(std::max<std::int64_t>(p, 0)); };
    return {.batch = s.batch,
            .in_h = s.out_h() - top - bottom,
            .in_w = s.out_w() - left - right,
            .in_channels = s.out_channels,
            .out_channels = s.in_channels,
            .kernel_h = h.taps,
            .kernel_w = w.taps,
            .padding = {pad(h.pad_before), pad(h.pad_after), pad(w.pad_before), pad(w.pad_after)}};
  }
};

/// Pictures have 3 channels, but a vector holds 16. So a stride-1 convolution to few channels takes
/// `group` neighbouring columns as channels of one wider pixel: y [.., W, C] is [.., W / group,
/// group * C] in memory, and the kernel grows by the group - 1 columns that its columns differ in.
int column_group(const Conv2dShape& shape, const Conv2dShape& part) {
  constexpr int kGroup = 4;
  const bool serves = shape.stride_h == 1 && shape.stride_w == 1 && part.out_channels <= kGroup &&
                      part.out_w() % kGroup == 0;
  return serves ? kGroup : 1;
}

Conv2dShape grouped(Conv2dShape part, int group) {
  part.out_channels *= group;
  part.kernel_w += group - 1;
  part.stride_w = group;
  return part;
}

/// The flipped part of the kernel that one phase uses: a convolution from O to C channels.
Taps taps_of(const float* weight, const Conv2dShape& s, const Phase& phase) {
  const std::int64_t tap = s.in_channels, row = s.kernel_w * tap;
  const std::int64_t r = phase.h.kernel_first + (phase.h.taps - 1) * s.stride_h;
  const std::int64_t q = phase.w.kernel_first + (phase.w.taps - 1) * s.stride_w;
  return {.data = weight + r * row + q * tap,
          .i_stride = s.kernel_h * row,
          .r_stride = -s.stride_h * row,
          .s_stride = -s.stride_w * tap};
}

/// The same taps as [r, s, O, group * C].
Buffer gather_taps(const Taps& taps, const Conv2dShape& s, const Phase& phase, int group,
                   Context& context) {
  const std::int64_t columns = phase.w.taps + group - 1, channels = s.in_channels;
  const std::int64_t size = phase.h.taps * columns * s.out_channels * group * channels;
  const Buffer buffer = context.allocate(static_cast<std::size_t>(size) * sizeof(float));
  auto* gathered = reinterpret_cast<float*>(buffer.get());
  if (group > 1) std::fill_n(gathered, size, 0.0f);
  parallel_for(s.out_channels, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o)
      for (int i = 0; i < phase.h.taps; ++i)
        for (int j = 0; j < phase.w.taps; ++j) {
          const float* tap = taps.data + o * taps.i_stride + i * taps.r_stride + j * taps.s_stride;
          for (int g = 0; g < group; ++g) {
            const std::int64_t pixel = (i * columns + j + g) * s.out_channels + o;
            std::memcpy(gathered + (pixel * group + g) * channels, tap,
                        static_cast<std::size_t>(channels) * sizeof(float));
          }
        }
  });
  return buffer;
}

/// dy without the rows and columns that a phase does not read.
template <class T>
Buffer crop_rows(const T* dy, const Conv2dShape& s, const Phase& phase, Context& context) {
  const auto [top, bottom, left, right] = phase.crop();
  const std::int64_t height = s.out_h() - top - bottom, width = s.out_w() - left - right;
  const std::int64_t row = width * s.out_channels;
  const Buffer buffer =
      context.allocate(static_cast<std::size_t>(s.batch * height * row) * sizeof(T));
  auto* cropped = reinterpret_cast<T*>(buffer.get());
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t h = 0; h < height; ++h)
      std::memcpy(cropped + (n * height + h) * row,
                  dy + ((n * s.out_h() + top + h) * s.out_w() + left) * s.out_channels,
                  static_cast<std::size_t>(row) * sizeof(T));
  return buffer;
}

/// Puts a phase's computed pixels [N, h.computed, w.computed, C] in their places of dx; without
/// them, the bias in all places of the phase.
template <class T>
void scatter(const T* pixels, const float* bias, T* dx, const Conv2dShape& s, const Phase& phase) {
  const std::int64_t rows = pixels ? phase.h.computed : phase.h.count;
  const std::int64_t columns = pixels ? phase.w.computed : phase.w.count;
  const std::int64_t channels = s.in_channels;
  const auto bytes = static_cast<std::size_t>(channels) * sizeof(T);
  std::vector<T> constant(static_cast<std::size_t>(channels));
  if (!pixels && bias)
    for (std::int64_t c = 0; c < channels; ++c)
      constant[static_cast<std::size_t>(c)] = T(bias[c]);
  parallel_for(s.batch * rows, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t n = row / rows;
      const std::int64_t h = phase.h.first + row % rows * s.stride_h;
      T* to = dx + ((n * s.in_h + h) * s.in_w + phase.w.first) * channels;
      const T* from = pixels ? pixels + row * columns * channels : constant.data();
      for (std::int64_t w = 0; w < columns; ++w, to += s.stride_w * channels) {
        std::memcpy(to, from, bytes);
        if (pixels) from += channels;
      }
    }
  });
}

/// The pixels of x that a 1x1 kernel meets, [N, P, Q, C].
template <class T>
Buffer subsample(const T* x, const Conv2dShape& s, Context& context) {
  const auto pixel = static_cast<std::size_t>(s.in_channels) * sizeof(T);
  const std::int64_t rows = s.batch * s.out_h();
  const Buffer buffer = context.allocate(static_cast<std::size_t>(rows * s.out_w()) * pixel);
  auto* to = reinterpret_cast<T*>(buffer.get());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t n = row / s.out_h(), h = row % s.out_h() * s.stride_h;
    const T* from = x + (n * s.in_h + h) * s.in_w * s.in_channels;
    for (std::int64_t q = 0; q < s.out_w(); ++q, to += s.in_channels)
      std::memcpy(to, from + q * s.stride_w * s.in_channels, pixel);
  }
  return buffer;
}

template <class T>
void run_phase(const T* dy, const Weight<float>& weight, const float* bias, T* dx,
               const Conv2dShape& shape, int index, Context& context) {
  const Phase phase(shape, index);
  if (phase.empty()) return;
  const Conv2dShape whole = phase.convolution(shape);
  const bool sees_none = whole.kernel_h == 0 || whole.kernel_w == 0 || whole.in_h <= 0 ||
                         whole.in_w <= 0 || phase.h.computed == 0 || phase.w.computed == 0;
  if (sees_none || !phase.sees_all()) scatter<T>(nullptr, bias, dx, shape, phase);
  if (sees_none) return;

  const int group = column_group(shape, whole);
  const Conv2dShape part = grouped(whole, group);
  std::vector<float> repeated_bias;
  for (int g = 0; g < group && bias; ++g)
    repeated_bias.insert(repeated_bias.end(), bias, bias + shape.in_channels);
  const float* part_bias = bias ? repeated_bias.data() : nullptr;
  const memory::desc packed_desc = forward_weight_layout<T>(part, bias != nullptr);
  const Buffer packed_taps = packed(
      weight, layout_key(packed_desc, {1 + index, shape.stride_h, shape.stride_w, group}), [&] {
        Buffer copy = context.allocate(bytes_of(packed_desc));
        const Taps taps = taps_of(weight.data, shape, phase);
        if (group == 1 && pack_taps(taps, packed_desc, reinterpret_cast<float*>(copy.get())))
          return copy;
        const Buffer gathered = gather_taps(taps, shape, phase, group, context);
        // Tag cdba: of the logical [C, O, r, s], C runs fastest and r slowest.
        const memory::desc plain(
            {part.out_channels, part.in_channels, part.kernel_h, part.kernel_w},
            memory::data_type::f32, Tag::cdba);
        reorder(view(plain, gathered.get()), view(packed_desc, copy.get()), context);
        return copy;
      });

  const bool cropped = phase.crop() != std::array<std::int64_t, 4>{};
  const Buffer crop = cropped ? crop_rows(dy, shape, phase, context) : nullptr;
  const T* source = cropped ? reinterpret_cast<const T*>(crop.get()) : dy;
  if (shape.stride_h == 1 && shape.stride_w == 1 && phase.sees_all())
    return run_forward(part, source, packed_taps.get(), part_bias, dx, context);
  const Buffer pixels = context.allocate(static_cast<std::size_t>(part.output_size()) * sizeof(T));
  auto* result = reinterpret_cast<T*>(pixels.get());
  run_forward(part, source, packed_taps.get(), part_bias, result, context);
  scatter<T>(result, bias, dx, shape, phase);
}

}  // namespace

template <class T>
void conv2d_forward(const T* x, Weight<compute_type<T>> weight, const compute_type<T>* bias, T* y,
                    const Conv2dShape& shape, Context& context) {
  if (shape.output_size() == 0) return;
  if (!shape.has_usual_padding()) {
    const Conv2dReach reach(shape);
    const std::int64_t outputs = shape.out_channels;
    Buffer y_part;
    if (reach.y.height > 0) {
      const Buffer x_part =
          cut(x, shape.batch, shape.in_h, shape.in_w, shape.in_channels, reach.x, context);
      y_part = context.allocate(static_cast<std::size_t>(reach.shape.output_size()) * sizeof(T));
      conv2d_forward(reinterpret_cast<const T*>(x_part.get()), weight, bias,
                     reinterpret_cast<T*>(y_part.get()), reach.shape, context);
    }
    return paste(reinterpret_cast<const T*>(y_part.get()), bias, y, shape.batch, shape.out_h(),
                 shape.out_w(), outputs, reach.y);
  }
  with_onednn("conv2d", shape.to_string(), [&] {
    const memory::desc packed_desc = forward_weight_layout<T>(shape, bias != nullptr);
    const Buffer copy = packed(weight, layout_key(packed_desc, {}), [&] {
      const memory::desc plain(weight_dims(shape), memory::data_type::f32, Tag::ohwi);
      Buffer buffer = context.allocate(bytes_of(packed_desc));
      reorder(view(plain, weight.data), view(packed_desc, buffer.get()), context);
      return buffer;
    });
    run_forward(shape, x, copy.get(), bias, y, context);
  });
}

template <class T>
void conv2d_backward_data(const T* dy, Weight<compute_type<T>> weight, const compute_type<T>* bias,
                          T* dx, const Conv2dShape& shape, Context& context) {
  if (shape.input_size() == 0) return;
  if (!shape.has_usual_padding()) {
    const Conv2dReach reach(shape);
    Buffer dx_part;
    if (reach.x.height > 0) {
      const Buffer dy_part =
          cut(dy, shape.batch, shape.out_h(), shape.out_w(), shape.out_channels, reach.y, context);
      dx_part = context.allocate(static_cast<std::size_t>(reach.shape.input_size()) * sizeof(T));
      conv2d_backward_data(reinterpret_cast<const T*>(dy_part.get()), weight, bias,
                           reinterpret_cast<T*>(dx_part.get()), reach.shape, context);
    }
    return paste(reinterpret_cast<const T*>(dx_part.get()), bias, dx, shape.batch, shape.in_h,
                 shape.in_w, shape.in_channels, reach.x);
  }
  with_onednn("conv2d_backward_data", shape.to_string(), [&] {
    for (int phase = 0; phase < shape.stride_h * shape.stride_w; ++phase)
      run_phase(dy, weight, bias, dx, shape, phase, context);
  });
}

template <class T>
void conv2d_backward_weight(const T* x, const T* dy, compute_type<T>* dweight,
                            const Conv2dShape& shape, Context& context) {
  if (shape.weight_size() == 0) return;
  if (shape.output_size() == 0) {
    std::fill_n(dweight, shape.weight_size(), 0.0f);
    return;
  }
  if (!shape.has_usual_padding()) {
    const Conv2dReach reach(shape);
    if (reach.x.height == 0) {
      std::fill_n(dweight, shape.weight_size(), 0.0f);
      return;
    }
    const Buffer x_part =
        cut(x, shape.batch, shape.in_h, shape.in_w, shape.in_channels, reach.x, context);
    const Buffer dy_part =
        cut(dy, shape.batch, shape.out_h(), shape.out_w(), shape.out_channels, reach.y, context);
    return conv2d_backward_weight(reinterpret_cast<const T*>(x_part.get()),
                                  reinterpret_cast<const T*>(dy_part.get()), dweight, reach.shape,
                                  context);
  }
  if (shape.kernel_h == 1 && shape.kernel_w == 1 && shape.stride_h * shape.stride_w > 1) {
    // oneDNN 2.6 writes past its scratchpad in the weight gradient of a strided 1x1 kernel.
    const Buffer pixels = subsample(x, shape, context);
    const Conv2dShape dense{.batch = shape.batch,
                            .in_h = shape.out_h(),
                            .in_w = shape.out_w(),
                            .in_channels = shape.in_channels,
                            .out_channels = shape.out_channels};
    return conv2d_backward_weight(reinterpret_cast<const T*>(pixels.get()), dy, dweight, dense,
                                  context);
  }
  if constexpr (std::is_same_v<T, float>) {
    if (outer_product_serves(shape))
      return outer_product_backward_weight(x, dy, dweight, shape, context);
  }
  with_onednn("conv2d_backward_weight", shape.to_string(),
              [&] { run_backward_weight(shape, x, dy, dweight, context); });
}

#define WHISKER_INSTANTIATE(T)                                                                   \
  template void conv2d_forward<T>(const T*, Weight<float>, const float*, T*, const Conv2dShape&, \
                                  Context&);                                                     \
  template void conv2d_backward_data<T>(const T*, Weight<float>, const float*, T*,               \
                                        const Conv2dShape&, Context&);                           \
  template void conv2d_backward_weight<T>(const T*, const T*, float*, const Conv2dShape&, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cpu
