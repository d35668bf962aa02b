// What the few-channel kernels have in common.
#pragma once

#include <whisker/kernels/cuda/conv2d_few_channels.h>
#include <whisker/kernels/cuda/conv2d_mma.cuh>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {

/// A factor as mma.sync wants it: bfloat16, or a float rounded to TF32.
template <class T>
__device__ __forceinline__ T to_factor(float value) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<float>(ptx::to_tf32(value));
  else
    return T(value);
}

/// Fills the patch of x that a tile sees, [patch_h * patch_w][4], with factors; zeros outside.
/// All threads of the block call it; they meet at a barrier before reading.
template <class T>
__device__ __forceinline__ void fill_patch(const PictureTiles& tiles,
                                           const PictureTiles::Tile& tile, const T* __restrict__ x,
                                           T* patch) {
  const int pixels = tiles.patch_h * tiles.patch_w.value();
  for (int i = static_cast<int>(threadIdx.x); i < pixels; i += static_cast<int>(blockDim.x)) {
    const std::int64_t offset = tiles.x_offset(tile, i);
    Vector<T, kPictureChannels> pixel;
#pragma unroll
    for (int c = 0; c < kPictureChannels; ++c) {
      const bool inside = offset != kOutside && c < tiles.channels;
      pixel.values[c] = to_factor<T>(inside ? static_cast<float>(x[offset + c]) : 0.0f);
    }
    *reinterpret_cast<Vector<T, kPictureChannels>*>(patch + i * kPictureChannels) = pixel;
  }
}

}  // namespace whisker::inline v0_1::kernels::cuda
