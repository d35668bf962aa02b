// A weight of many megabytes does not fit into a core's cache, and oneDNN, which gives each thread
// some of the images, reads it once per image. So threads share the output channels instead: one
// computes 32 channels of all images, whose part of the weight stays in its cache.
//
//          C*R*S                   O: 32 channels a task
//        +-------+        +------+------+------+------+
//   N*PQ |   x   |  C*R*S |thread|thread|thread|thread|   y [N*PQ, O]: each task writes its
//        |       |        |  0   |  1   |  0   |  1   |   columns to a block of its own first
//        +-------+        +------+------+------+------+
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

/// Does the weight in layout `whole` consist of those in layout `part`, one after the other?
bool is_concatenation(const memory::desc& whole, const memory::desc& part, std::int64_t parts) {
  const Blocking a = blocking_of(whole), b = blocking_of(part);
  return bytes_of(whole) == bytes_of(part) * static_cast<std::size_t>(parts) &&
         a.strides == b.strides && a.inner_blks == b.inner_blks && a.inner_idxs == b.inner_idxs;
}

/// What one task runs, on one thread.
template <class T>
PrimitivePtr<dnnl::convolution_forward> task_primitive(Conv2dShape shape, bool with_bias) {
  shape.out_channels = kTaskChannels;
  const ThreadScope one(1);
  return forward_primitive<T>(shape, with_bias);
}

template <class T>
void run_one(const Forward& p, const T* x, const void* packed_weight, const float* bias, T* y,
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
std::int64_t channel_tasks(const Conv2dShape& shape, bool with_bias) {
  const std::int64_t tasks = shape.out_channels / kTaskChannels, team = threads();
  const std::int64_t pixels = shape.batch * shape.out_h() * shape.out_w();
  // Only cores with AVX-512 were measured, and floats.
  if (!std::is_same_v<T, float> || !has_avx512() || shape.out_channels % kTaskChannels != 0 ||
      tasks < 2 || pixels > kMaxTaskPixels || (tasks % team != 0 && tasks < 4 * team))
    return 1;
  const memory::desc weight = forward_primitive<T>(shape, with_bias)->desc.weights_desc();
  const bool serves =
      bytes_of(weight) >= kSecondLevelCache &&
      is_concatenation(weight, task_primitive<T>(shape, with_bias)->desc.weights_desc(), tasks);
  return serves ? tasks : 1;
}

template <class T>
void run_forward(const Conv2dShape& shape, const T* x, const void* packed_weight, const float* bias,
                 T* y, Context& context) {
  const std::int64_t tasks = channel_tasks<T>(shape, bias != nullptr);
  if (tasks == 1) {
    const auto whole = forward_primitive<T>(shape, bias != nullptr);
    return run_one(*whole, x, packed_weight, bias, y, context);
  }
  const auto part = task_primitive<T>(shape, bias != nullptr);
  const std::int64_t channels = shape.out_channels / tasks;
  const std::int64_t pixels = shape.output_size() / shape.out_channels;
  const std::size_t weight_bytes = bytes_of(part->desc.weights_desc());
  const auto* weight = static_cast<const std::byte*>(packed_weight);
  parallel_for(tasks, 1, [&, &part = *part](std::int64_t task, std::int64_t) {
    const Buffer buffer = context.allocate(static_cast<std::size_t>(pixels * channels) * sizeof(T));
    auto* columns = reinterpret_cast<T*>(buffer.get());
    run_one(part, x, weight + static_cast<std::size_t>(task) * weight_bytes,
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
  template void run_forward<T>(const Conv2dShape&, const T*, const void*, const float*, T*,        \
                               Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cpu
