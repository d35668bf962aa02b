// conv2d_backward_weight of pictures on tensor cores: m = o, n = (r, s, c of 4), k = pixels of dy.
//
// A block walks over tiles of 8 x 16 pixels of dy by 64 outputs, the next of which is copied while
// the warps multiply one. Of the eight warps, four share n and two share the rows of the tile. Each
// of the two writes its own sum in the end; sum_parts adds these in a fixed order.
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_few_channels.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarpsN = 4, kBlocksN = 4;  // warps side by side, and blocks of 8 columns of each
constexpr int kFragmentsM = kPictureOutputs / 16;
constexpr int kPixels = kPictureRows * kPictureColumns;
static_assert(kThreads / 32 == kWarpsN * kWeightParts);

template <class T>
using DyTile = OperandTile<T, Major::mn, kPictureOutputs, kThreads>;
template <class T>
inline constexpr int kDyBytes = kPixels* kPictureOutputs* static_cast<int>(sizeof(T));

/// Starts copying a tile of dy, [pixels][64 outputs]; what is outside becomes zero.
template <class T>
__device__ __forceinline__ void copy_dy(const PictureTiles& tiles, int index, int first_o,
                                        const T* __restrict__ dy, unsigned char* shared) {
  using Tile = DyTile<T>;
  const int thread = static_cast<int>(threadIdx.x);
  const PictureTiles::Tile tile = tiles.tile(index);
  const int o = first_o + Tile::chunk(thread) * Tile::kChunk;
#pragma unroll
  for (int i = 0; i < kPixels / Tile::kRowsPerPass; ++i) {
    const int pixel = Tile::row(thread, i);
    const std::int64_t at = tiles.y_offset(tile, pixel / kPictureColumns, pixel % kPictureColumns);
    const bool inside = at != kOutside && o < tiles.outputs;
    ptx::cp_async_16(shared + Tile::offset(pixel, Tile::chunk(thread)), dy + (inside ? at + o : 0),
                     inside);
  }
}

/// Operand b for step number `step` of the tile: pixels by the column of n that is `column`
/// elements into the patch.
template <class T>
__device__ __forceinline__ void load_pixels(const PictureTiles& tiles, const T* patch, int column,
                                            int step, std::uint32_t (&b)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if constexpr (std::is_same_v<T, float>) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int q = step % 2 * 8 + half * 4 + lane % 4;
      b[half] = std::bit_cast<std::uint32_t>(
          patch[tiles.patch_pixel(step / 2, q) * kPictureChannels + column]);
    }
  } else {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int q = half * 8 + lane % 4 * 2;
      const std::uint32_t low = patch[tiles.patch_pixel(step, q) * kPictureChannels + column].bits;
      const std::uint32_t high =
          patch[tiles.patch_pixel(step, q + 1) * kPictureChannels + column].bits;
      b[half] = low | high << 16;
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    few_channels_backward_weight_kernel(const T* __restrict__ x, const T* __restrict__ dy,
                                        float* __restrict__ parts, std::int64_t part_size,
                                        const __grid_constant__ PictureTiles tiles) {
  using Tile = DyTile<T>;
  constexpr int kStepPixels = kMmaStepBytes / static_cast<int>(sizeof(T));
  constexpr int kSteps = kPixels / kStepPixels / kWeightParts;  // of one warp
  WHISKER_DYNAMIC_SHARED(shared);
  auto* patch = reinterpret_cast<T*>(shared + 2 * kDyBytes<T>);
  const int first_o = static_cast<int>(blockIdx.y) * kPictureOutputs;
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warp_n = warp % kWarpsN, part = warp / kWarpsN;
  const int blocks_n = ceil_div(tiles.taps * kPictureChannels, 8);

  int columns[kBlocksN];  // in the patch; those beyond the taps are read but not kept
#pragma unroll
  for (int j = 0; j < kBlocksN; ++j) {
    const int n = (warp_n + j * kWarpsN) * 8 + lane / 4;
    const int tap = n / kPictureChannels;
    columns[j] =
        (tap < tiles.taps ? tiles.patch_tap(tap) : 0) * kPictureChannels + n % kPictureChannels;
  }

  float sums[kFragmentsM][kBlocksN][4] = {};
  const int stride = static_cast<int>(gridDim.x);
  int stage = 0;
  if (static_cast<int>(blockIdx.x) < tiles.tiles)
    copy_dy(tiles, static_cast<int>(blockIdx.x), first_o, dy, shared);
  ptx::cp_async_commit();
#pragma unroll 1
  for (int index = static_cast<int>(blockIdx.x); index < tiles.tiles; index += stride) {
    if (index + stride < tiles.tiles)
      copy_dy(tiles, index + stride, first_o, dy, shared + (stage ^ 1) * kDyBytes<T>);
    ptx::cp_async_commit();
    fill_patch(tiles, tiles.tile(index), x, patch);
    ptx::cp_async_wait<1>();
    __syncthreads();
#pragma unroll 1
    for (int i = 0; i < kSteps; ++i) {
      const int step = part * kSteps + i;
      std::uint32_t outputs[kFragmentsM][4];
#pragma unroll
      for (int m = 0; m < kFragmentsM; ++m)
        load_fragment<T, Major::mn, Tile, kPictureOutputs>(shared + stage * kDyBytes<T>, 0, m * 16,
                                                           step, outputs[m]);
#pragma unroll
      for (int j = 0; j < kBlocksN; ++j) {
        if (warp_n + j * kWarpsN >= blocks_n) continue;
        std::uint32_t pixels[2];
        load_pixels(tiles, patch, columns[j], step, pixels);
#pragma unroll
        for (int m = 0; m < kFragmentsM; ++m)
          multiply_fragments<T>(outputs[m], pixels, sums[m][j]);
      }
    }
    __syncthreads();  // the patch and this stage are written next
    stage ^= 1;
  }
  ptx::cp_async_wait<0>();

  float* result = parts + (std::int64_t{blockIdx.x} * kWeightParts + part) * part_size;
#pragma unroll
  for (int j = 0; j < kBlocksN; ++j)
#pragma unroll
    for (int m = 0; m < kFragmentsM; ++m)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int o = first_o + m * 16 + lane / 4 + i / 2 * 8;
        const int n = (warp_n + j * kWarpsN) * 8 + lane % 4 * 2 + i % 2;
        const int tap = n / kPictureChannels, c = n % kPictureChannels;
        if (o < tiles.outputs && tap < tiles.taps && c < tiles.channels)
          result[(std::int64_t{o} * tiles.taps + tap) * tiles.channels + c] = sums[m][j][i];
      }
}

}  // namespace

template <class T>
void few_channels_backward_weight(const T* x, const T* dy, float* parts, int blocks,
                                  const Conv2dShape& shape, const Context& context) {
  const PictureTiles tiles = picture_tiles(shape);
  const dim3 grid(static_cast<unsigned>(blocks),
                  static_cast<unsigned>(ceil_div(tiles.outputs, kPictureOutputs)));
  launch(LaunchConfig("conv2d_backward_weight_few_channels", grid, kThreads, context.stream,
                      few_channels_shared_bytes(Conv2dPass::backward_weight, shape, sizeof(T))),
         few_channels_backward_weight_kernel<T>, x, dy, parts, shape.weight_size(), tiles);
}

template void few_channels_backward_weight(const float*, const float*, float*, int,
                                           const Conv2dShape&, const Context&);
template void few_channels_backward_weight(const bfloat16*, const bfloat16*, float*, int,
                                           const Conv2dShape&, const Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
