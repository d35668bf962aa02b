// dweight[o,r,s,c] = sum over images and pixels of dy[n,p,q,o] x[n,p',q',c], cut two ways:
//
//   slices of output channels: each task writes its own rows of dweight, from its own columns of
//     dy, which it copies together first; all of them read x.
//   parts of the batch: each has sums of its own, and these are added in order. That costs memory
//     traffic of the size of the weight, so only small weights are cut so.
#include <algorithm>
#include <cstring>

#include <whisker/kernels/cpu/conv2d_backward_weight.h>
#include <whisker/kernels/cpu/conv2d_primitives.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

/// Columns [first, first + channels) of dy's rows of `row` elements.
template <class T>
Buffer copy_columns(const T* dy, std::int64_t rows, std::int64_t row, std::int64_t first,
                    std::int64_t channels, Context& context) {
  const auto bytes = static_cast<std::size_t>(channels) * sizeof(T);
  Buffer copy = context.allocate(static_cast<std::size_t>(rows) * bytes);
  std::byte* to = copy.get();
  for (std::int64_t i = 0; i < rows; ++i, to += bytes)
    std::memcpy(to, dy + i * row + first, bytes);
  return copy;
}

/// One task: dweight [o, r, s, c] of dense x and dy.
template <class T>
void run_task(const Conv2dShape& shape, const T* x, const T* dy, float* dweight, Context& context) {
  const auto p = backward_weight_primitive<T>(shape);
  const memory::desc packed_desc = p->desc.diff_weights_desc();
  const memory::desc plain(weight_dims(shape), memory::data_type::f32, memory::format_tag::ohwi);
  const bool direct = packed_desc == plain;
  const Buffer blocked = direct ? nullptr : context.allocate(bytes_of(packed_desc));
  void* target = direct ? static_cast<void*>(dweight) : blocked.get();
  p->run({{DNNL_ARG_SRC, view(p->desc.src_desc(), x)},
          {DNNL_ARG_DIFF_DST, view(p->desc.diff_dst_desc(), dy)},
          {DNNL_ARG_DIFF_WEIGHTS, view(packed_desc, target)}},
         context);
  if (!direct) reorder(view(packed_desc, target), view(plain, dweight), context);
}

}  // namespace

WeightGradientTasks::WeightGradientTasks(const Conv2dShape& s) {
  constexpr double kTaskFlops = 4e6, kWorthSharing = 1e6;
  constexpr double kFewTasks = 4.0, kMaxTasks = 64.0;
  // A task's products should take far longer than writing, reading and adding its sums.
  constexpr double kFlopsPerSum = 2400.0;
  constexpr std::int64_t kSliceChannels = 16;  // at least, and a multiple: whole vectors
  const double fewest = s.flops() >= kWorthSharing ? kFewTasks : 1.0;
  const auto tasks =
      static_cast<std::int64_t>(std::clamp(s.flops() / kTaskFlops, fewest, kMaxTasks));
  const auto cheap_parts =
      static_cast<std::int64_t>(s.flops() / kFlopsPerSum / static_cast<double>(s.weight_size()));
  images = ceil_div(s.batch, std::clamp<std::int64_t>(std::min(tasks, cheap_parts), 1, s.batch));
  parts = ceil_div(s.batch, images);
  const bool divisible = s.out_channels % kSliceChannels == 0;
  const std::int64_t most = divisible ? s.out_channels / kSliceChannels : 1;
  slices = std::clamp<std::int64_t>(ceil_div(tasks, parts), 1, most);
  channels = divisible ? ceil_div(s.out_channels / kSliceChannels, slices) * kSliceChannels
                       : s.out_channels;
  slices = ceil_div(s.out_channels, channels);
}

template <class T>
void run_backward_weight(const Conv2dShape& s, const T* x, const T* dy, float* dweight,
                         Context& context) {
  const WeightGradientTasks plan(s);
  const std::int64_t pixels = s.out_h() * s.out_w();
  const Buffer sums =
      plan.parts > 1
          ? context.allocate(static_cast<std::size_t>(plan.parts * s.weight_size()) * sizeof(float))
          : nullptr;
  float* const targets = sums ? reinterpret_cast<float*>(sums.get()) : dweight;
  parallel_for(plan.parts * plan.slices, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t part = task / plan.slices;
    const std::int64_t image = part * plan.images, channel = task % plan.slices * plan.channels;
    Conv2dShape shape = s;
    shape.batch = std::min(plan.images, s.batch - image);
    shape.out_channels = std::min(plan.channels, s.out_channels - channel);
    const T* rows = dy + image * pixels * s.out_channels;
    const Buffer columns = plan.slices > 1
                               ? copy_columns(rows, shape.batch * pixels, s.out_channels, channel,
                                              shape.out_channels, context)
                               : nullptr;
    run_task(shape, x + image * s.in_h * s.in_w * s.in_channels,
             columns ? reinterpret_cast<const T*>(columns.get()) : rows,
             targets + part * s.weight_size() + channel * (s.weight_size() / s.out_channels),
             context);
  });
  if (!sums) return;
  add_parts(targets, plan.parts, s.weight_size(), dweight);
}

#define WHISKER_INSTANTIATE(T) \
  template void run_backward_weight<T>(const Conv2dShape&, const T*, const T*, float*, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

}  // namespace whisker::inline v0_1::kernels::cpu
