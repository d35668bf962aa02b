#include <algorithm>

#include <whisker/kernels/cpu/pack_taps.h>
#include <whisker/kernels/cpu/streaming.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

/// One block of output channels of one tap and one input channel; zeros fill the last block.
void copy_block(const float* from, std::int64_t count, std::int64_t block, float* to) {
  if (count == block) return stream_floats(from, block, to);
  std::copy_n(from, count, to);
  std::fill(to + count, to + block, 0.0f);
}

}  // namespace

bool pack_taps(const Taps& taps, const dnnl::memory::desc& desc, float* to) {
  const Blocking layout = blocking_of(desc);
  const bool known =
      layout.type == dnnl::memory::data_type::f32 && layout.dims.size() == 4 &&
      layout.inner_idxs == dnnl::memory::dims{0} &&
      std::equal(layout.dims.begin() + 1, layout.dims.end(), layout.padded_dims.begin() + 1);
  if (!known) return false;
  const std::int64_t block = layout.inner_blks[0], out = layout.dims[0], in = layout.dims[1];
  const std::int64_t rows = layout.dims[2], columns = layout.dims[3];
  const auto& strides = layout.strides;

  // The runs of one group of input channels come from some pages and fill a few pieces in order.
  constexpr std::int64_t kGroup = 16;
  const std::int64_t groups = (in + kGroup - 1) / kGroup;
  parallel_for(groups * rows * columns, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t s = task % columns, r = task / columns % rows;
    const std::int64_t begin = task / columns / rows * kGroup, end = std::min(begin + kGroup, in);
    const float* source = taps.data + r * taps.r_stride + s * taps.s_stride;
    for (std::int64_t o = 0; o < out; o += block) {
      float* target = to + o / block * strides[0] + r * strides[2] + s * strides[3];
      for (std::int64_t i = begin; i < end; ++i)
        copy_block(source + i * taps.i_stride + o, std::min(block, out - o), block,
                   target + i * strides[1]);
    }
    finish_streaming();
  });
  return true;
}

}  // namespace whisker::inline v0_1::kernels::cpu
