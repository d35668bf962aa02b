// A convolution is cut into tasks of some images each, which its threads share. But a weight of
// many megabytes does not fit into a core's cache, and each task would read it once per image; and
// one or two images give too few tasks. Such convolutions are cut by output channels: a task
// computes 32 channels of all images, whose part of the weight stays in its cache.
//
//          C*R*S                   O: 32 channels a task
//        +-------+        +------+------+------+------+
//   N*PQ |   x   |  C*R*S | task | task | task | task |   y [N*PQ, O]: each task writes its
//        |       |        |  0   |  1   |  2   |  3   |   columns to a block of its own first
//        +-------+        +------+------+------+------+
#include <algorithm>
#include <array>
#include <cstring>

#include <whisker/kernels/cpu/conv2d_primitives.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

using Tag = memory::format_tag;

/// Everything that a primitive depends on: a shape, flags, and the element type.
using Key = std::array<std::int64_t, 16>;

template <class T>
Key key_of(const Conv2dShape& s, bool with_bias) {
  return {s.batch,
          s.in_h,
          s.in_w,
          s.in_channels,
          s.out_channels,
          s.kernel_h,
          s.kernel_w,
          s.stride_h,
          s.stride_w,
          s.padding.top,
          s.padding.bottom,
          s.padding.left,
          s.padding.right,
          with_bias,
          std::is_same_v<T, bfloat16>,
          0};
}

struct Descs {
  memory::desc x, weight, bias, y;
  Dims strides, pad_before, pad_after;
};

template <class T>
Descs descs_of(const Conv2dShape& s, bool with_bias) {
  const auto type = onednn_type<T>();
  return {.x = {{s.batch, s.in_channels, s.in_h, s.in_w}, type, Tag::nhwc},
          .weight = {weight_dims(s), type, Tag::any},
          .bias = with_bias ? memory::desc({s.out_channels}, memory::data_type::f32, Tag::a)
                            : memory::desc(),
          .y = {{s.batch, s.out_channels, s.out_h(), s.out_w()}, type, Tag::nhwc},
          .strides = {s.stride_h, s.stride_w},
          .pad_before = {s.padding.top, s.padding.left},
          .pad_after = {s.padding.bottom, s.padding.right}};
}

template <class T>
auto describe_forward(const Conv2dShape& shape, bool with_bias) {
  const Descs d = descs_of<T>(shape, with_bias);
  return describe<dnnl::convolution_forward>(dnnl::prop_kind::forward_training,
                                             dnnl::algorithm::convolution_direct, d.x, d.weight,
                                             d.bias, d.y, d.strides, d.pad_before, d.pad_after);
}

}  // namespace

template <class T>
PrimitivePtr<dnnl::convolution_forward> forward_primitive(const Conv2dShape& shape,
                                                          bool with_bias) {
  static PrimitiveCache<dnnl::convolution_forward, Key> cache;
  return cache.get(key_of<T>(shape, with_bias),
                   [&] { return describe_forward<T>(shape, with_bias); });
}

template <class T>
PrimitivePtr<dnnl::convolution_backward_weights> backward_weight_primitive(
    const Conv2dShape& shape) {
  static PrimitiveCache<dnnl::convolution_backward_weights, Key> cache;
  return cache.get(key_of<T>(shape, false), [&] {
    const Descs d = descs_of<T>(shape, false);
    const memory::desc dweight(weight_dims(shape), memory::data_type::f32, Tag::any);
    return describe_backward<dnnl::convolution_backward_weights>(
        describe_forward<T>(shape, false), dnnl::algorithm::convolution_direct, d.x, dweight, d.y,
        d.strides, d.pad_before, d.pad_after);
  });
}

namespace {

using Forward = CachedPrimitive<dnnl::convolution_forward>;

constexpr std::int64_t kTaskChannels = 32;          // two vectors of 16 floats
constexpr std::size_t kSecondLevelCache = 2 << 20;  // of one core
constexpr std::int64_t kMaxTaskPixels = 65536;      // 8 MiB of results a thread
constexpr std::int64_t kFewImages = 4;
constexpr double kWorthCutting = 4e6;  // floating-point operations

/// Does the weight in layout `whole` consist of those in layout `part`, one after the other?
bool is_concatenation(const memory::desc& whole, const memory::desc& part, std::int64_t parts) {
  const Blocking a = blocking_of(whole), b = blocking_of(part);
  return bytes_of(whole) == bytes_of(part) * static_cast<std::size_t>(parts) &&
         a.strides == b.strides && a.inner_blks == b.inner_blks && a.inner_idxs == b.inner_idxs;
}

Conv2dShape with_channels(Conv2dShape shape, std::int64_t channels) {
  shape.out_channels = channels;
  return shape;
}

Conv2dShape with_images(Conv2dShape shape, std::int64_t images) {
  shape.batch = images;
  return shape;
}

template <class T>
void run_task(const Forward& p, const T* x, const void* packed_weight, const float* bias, T* y,
              Context& context) {
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, view(p.desc.src_desc(), x)},
      {DNNL_ARG_WEIGHTS, view(p.desc.weights_desc(), packed_weight)},
      {DNNL_ARG_DST, view(p.desc.dst_desc(), y)}};
  if (bias) arguments.emplace(DNNL_ARG_BIAS, view(p.desc.bias_desc(), bias));
  p.run(std::move(arguments), context);
}

}  // namespace

template <class T>
std::int64_t images_per_task(const Conv2dShape& shape, bool with_bias) {
  constexpr double kTaskFlops = 24e6, kWorthSharing = 1e6;
  constexpr double kFewTasks = 4.0, kMaxTasks = 128.0;
  const double fewest = shape.flops() >= kWorthSharing ? kFewTasks : 1.0;
  const auto tasks =
      static_cast<std::int64_t>(std::clamp(shape.flops() / kTaskFlops, fewest, kMaxTasks));
  std::int64_t images = std::max<std::int64_t>((shape.batch + tasks - 1) / tasks, 1);
  // All tasks read one copy of the weight, so the last and shorter one must want the same layout.
  const auto layout = [&](std::int64_t n) {
    return forward_primitive<T>(with_images(shape, n), with_bias)->desc.weights_desc();
  };
  while (shape.batch % images != 0 && layout(shape.batch % images) != layout(images))
    --images;
  return images;
}

template <class T>
std::int64_t channel_tasks(const Conv2dShape& shape, bool with_bias) {
  const std::int64_t tasks = shape.out_channels / kTaskChannels;
  const std::int64_t pixels = shape.batch * shape.out_h() * shape.out_w();
  const bool few_images = shape.batch < kFewImages && shape.flops() >= kWorthCutting;
  // With many images only cores with AVX-512 were measured, and floats.
  if (!std::is_same_v<T, float> || !(has_avx512() || few_images) ||
      shape.out_channels % kTaskChannels != 0 || tasks < 2 || pixels > kMaxTaskPixels)
    return 1;
  const memory::desc weight = forward_primitive<T>(shape, with_bias)->desc.weights_desc();
  const auto part = forward_primitive<T>(with_channels(shape, kTaskChannels), with_bias);
  const bool serves = (few_images || bytes_of(weight) >= kSecondLevelCache) &&
                      is_concatenation(weight, part->desc.weights_desc(), tasks);
  return serves ? tasks : 1;
}

template <class T>
memory::desc forward_weight_layout(const Conv2dShape& shape, bool with_bias) {
  const std::int64_t images =
      channel_tasks<T>(shape, with_bias) > 1 ? shape.batch : images_per_task<T>(shape, with_bias);
  return forward_primitive<T>(with_images(shape, images), with_bias)->desc.weights_desc();
}

template <class T>
void run_forward(const Conv2dShape& shape, const T* x, const void* packed_weight, const float* bias,
                 T* y, Context& context) {
  const std::int64_t tasks = channel_tasks<T>(shape, bias != nullptr);
  if (tasks == 1) {
    const std::int64_t images = images_per_task<T>(shape, bias != nullptr);
    const auto whole = forward_primitive<T>(with_images(shape, images), bias != nullptr);
    const std::int64_t rest = shape.batch % images;
    const auto last =
        rest > 0 ? forward_primitive<T>(with_images(shape, rest), bias != nullptr) : whole;
    const std::int64_t x_image = shape.in_h * shape.in_w * shape.in_channels;
    const std::int64_t y_image = shape.out_h() * shape.out_w() * shape.out_channels;
    parallel_for(shape.batch, images, [&](std::int64_t begin, std::int64_t end) {
      run_task(end - begin == images ? *whole : *last, x + begin * x_image, packed_weight, bias,
               y + begin * y_image, context);
    });
    return;
  }
  const std::int64_t channels = shape.out_channels / tasks;
  const auto part = forward_primitive<T>(with_channels(shape, channels), bias != nullptr);
  const std::int64_t pixels = shape.output_size() / shape.out_channels;
  const std::size_t weight_bytes = bytes_of(part->desc.weights_desc());
  const auto* weight = static_cast<const std::byte*>(packed_weight);
  parallel_for(tasks, 1, [&, &part = *part](std::int64_t task, std::int64_t) {
    const Buffer buffer = context.allocate(static_cast<std::size_t>(pixels * channels) * sizeof(T));
    auto* columns = reinterpret_cast<T*>(buffer.get());
    run_task(part, x, weight + static_cast<std::size_t>(task) * weight_bytes,
             bias ? bias + task * channels : nullptr, columns, context);
    for (std::int64_t i = 0; i < pixels; ++i)
      std::memcpy(y + i * shape.out_channels + task * channels, columns + i * channels,
                  static_cast<std::size_t>(channels) * sizeof(T));
  });
}

#define WHISKER_INSTANTIATE(T)                                                                     \
  template PrimitivePtr<dnnl::convolution_forward> forward_primitive<T>(const Conv2dShape&, bool); \
  template PrimitivePtr<dnnl::convolution_backward_weights> backward_weight_primitive<T>(          \
      const Conv2dShape&);                                                                         \
  template std::int64_t channel_tasks<T>(const Conv2dShape&, bool);                                \
  template std::int64_t images_per_task<T>(const Conv2dShape&, bool);                              \
  template memory::desc forward_weight_layout<T>(const Conv2dShape&, bool);                        \
  template void run_forward<T>(const Conv2dShape&, const T*, const void*, const float*, T*,        \
                               Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cpu
