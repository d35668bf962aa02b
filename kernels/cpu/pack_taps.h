// Kernel taps from where they lie in a weight into oneDNN's blocked layouts. Private to
// kernels/cpu.
#pragma once

#include <whisker/kernels/cpu/onednn.h>

namespace whisker::inline v0_1::kernels::cpu {

/// Some taps of a weight as a convolution of their own: the element [o, i, r, s] lies at
/// data + o + i * i_stride + r * r_stride + s * s_stride. Strides may be negative: a flipped
/// kernel.
struct Taps {
  const float* data = nullptr;
  std::int64_t i_stride = 0, r_stride = 0, s_stride = 0;
};

/// Copies them into the layout `desc`, padding included, bit by bit as a reorder does. Returns
/// false, and writes nothing, for a layout other than float32 in blocks of output channels.
bool pack_taps(const Taps& taps, const dnnl::memory::desc& desc, float* to);

}  // namespace whisker::inline v0_1::kernels::cpu
