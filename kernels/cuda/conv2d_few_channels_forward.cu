// conv2d_forward of pictures on tensor cores: m = pixels of y, n = o, k = (r, s, c of 4).
//
// A block keeps the weights of 64 outputs in shared memory and walks over tiles of 8 x 16 pixels
// of y. Fragments of x come straight out of the patch that the tile sees: four bytes of k are
// within a pixel, wherever the pixel lies. y is overwritten.
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_few_channels.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kRowsPerWarp = kPictureRows / (kThreads / 32);
constexpr int kFragmentsN = kPictureOutputs / 16;
static_assert(kPictureColumns == 16, "a row of the tile is the m of one fragment");

/// Shared memory: weights [64][pitch], offsets [words], patch [patch_h * patch_w][4].
template <class T>
struct Layout {
  static constexpr int kPixelWords = kPictureChannels * static_cast<int>(sizeof(T)) / 4;
  int steps;
  int pitch;  // in bytes: an odd number of chunks, so that ldmatrix meets no bank twice

  __device__ explicit Layout(int taps)
      : steps(ceil_div(taps * kPictureChannels * static_cast<int>(sizeof(T)), kMmaStepBytes)),
        pitch(steps * kMmaStepBytes + kChunkBytes) {}
  __device__ int words() const { return steps * kMmaStepBytes / 4; }
  __device__ int offsets_at() const { return kPictureOutputs * pitch; }
  __device__ int patch_at() const { return offsets_at() + words() * 4; }
};

/// Fills the weights of outputs first .. first + 63, and the offset within the patch of each word
/// of k, or -1 where there is none.
template <class T>
__device__ void fill_weights(const PictureTiles& tiles, const float* __restrict__ weight, int first,
                             const Layout<T>& layout, unsigned char* shared) {
  const int thread = static_cast<int>(threadIdx.x);
  const int row_elements = layout.steps * kMmaStepBytes / static_cast<int>(sizeof(T));
  for (int i = thread; i < kPictureOutputs * row_elements; i += kThreads) {
    const int o = i / row_elements, k = i % row_elements;
    const int tap = k / kPictureChannels, c = k % kPictureChannels;
    const bool inside = first + o < tiles.outputs && tap < tiles.taps && c < tiles.channels;
    const std::int64_t at = (std::int64_t{first + o} * tiles.taps + tap) * tiles.channels + c;
    reinterpret_cast<T*>(shared + o * layout.pitch)[k] = to_factor<T>(inside ? weight[at] : 0.0f);
  }
  auto* offsets = reinterpret_cast<int*>(shared + layout.offsets_at());
  for (int i = thread; i < layout.words(); i += kThreads) {
    const int tap = i / Layout<T>::kPixelWords, word = i % Layout<T>::kPixelWords;
    offsets[i] = tap < tiles.taps ? tiles.patch_tap(tap) * Layout<T>::kPixelWords + word : -1;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 3)
    few_channels_forward_kernel(const T* __restrict__ x, const float* __restrict__ weight,
                                const float* __restrict__ bias, T* __restrict__ y,
                                const __grid_constant__ PictureTiles tiles) {
  WHISKER_DYNAMIC_SHARED(shared);
  const Layout<T> layout(tiles.taps);
  constexpr int kWords = Layout<T>::kPixelWords;
  const int first_o = static_cast<int>(blockIdx.y) * kPictureOutputs;
  fill_weights(tiles, weight, first_o, layout, shared);
  auto* patch = reinterpret_cast<T*>(shared + layout.patch_at());
  const auto* words = reinterpret_cast<const std::uint32_t*>(patch);
  const auto* offsets = reinterpret_cast<const int*>(shared + layout.offsets_at());

  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  // The row that this lane gives to ldmatrix: outputs low and high for k low, then for k high.
  const unsigned char* weight_row =
      shared + (lane / 8 % 2 * 8 + lane % 8) * layout.pitch + lane / 16 * kChunkBytes;

  for (int index = static_cast<int>(blockIdx.x); index < tiles.tiles;
       index += static_cast<int>(gridDim.x)) {
    const PictureTiles::Tile tile = tiles.tile(index);
    __syncthreads();  // nobody reads the patch of the tile before any more
    fill_patch(tiles, tile, x, patch);
    __syncthreads();

    float sums[kRowsPerWarp][2 * kFragmentsN][4] = {};
#pragma unroll 1
    for (int step = 0; step < layout.steps; ++step) {
      const int low = offsets[step * 8 + lane % 4], high = offsets[step * 8 + 4 + lane % 4];
      std::uint32_t pixels[kRowsPerWarp][4];
#pragma unroll
      for (int i = 0; i < kRowsPerWarp; ++i) {
        const int row = warp * kRowsPerWarp + i;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int at = tiles.patch_pixel(row, lane / 4 + half * 8) * kWords;
          pixels[i][half] = low >= 0 ? words[at + low] : 0;
          pixels[i][half + 2] = high >= 0 ? words[at + high] : 0;
        }
      }
#pragma unroll
      for (int j = 0; j < kFragmentsN; ++j) {
        std::uint32_t columns[4];
        ptx::ldmatrix_x4(columns, weight_row + j * 16 * layout.pitch + step * kMmaStepBytes);
#pragma unroll
        for (int i = 0; i < kRowsPerWarp; ++i) {
          multiply_fragments<T>(pixels[i], {columns[0], columns[2]}, sums[i][2 * j]);
          multiply_fragments<T>(pixels[i], {columns[1], columns[3]}, sums[i][2 * j + 1]);
        }
      }
    }

#pragma unroll
    for (int j = 0; j < kFragmentsN; ++j) {
      const int o = first_o + j * 16;
      const ColumnBias offset(bias, o, tiles.outputs);
#pragma unroll
      for (int i = 0; i < 2 * kRowsPerWarp; ++i) {
        const std::int64_t at =
            tiles.y_offset(tile, warp * kRowsPerWarp + i / 2, lane / 4 + i % 2 * 8);
        store_row(offset, sums[i / 2][2 * j], sums[i / 2][2 * j + 1], i % 2, at != kOutside,
                  tiles.outputs - o, y + at + o);
      }
    }
  }
}

}  // namespace

template <class T>
void few_channels_forward(const T* x, const float* weight, const float* bias, T* y,
                          const Conv2dShape& shape, const Context& context) {
  const PictureTiles tiles = picture_tiles(shape);
  const dim3 grid(static_cast<unsigned>(few_channels_blocks(tiles.tiles, 2 * context.sm_count)),
                  static_cast<unsigned>(ceil_div(tiles.outputs, kPictureOutputs)));
  launch(LaunchConfig("conv2d_forward_few_channels", grid, kThreads, context.stream,
                      few_channels_shared_bytes(Conv2dPass::forward, shape, sizeof(T))),
         few_channels_forward_kernel<T>, x, weight, bias, y, tiles);
}

template void few_channels_forward(const float*, const float*, const float*, float*,
                                   const Conv2dShape&, const Context&);
template void few_channels_forward(const bfloat16*, const float*, const float*, bfloat16*,
                                   const Conv2dShape&, const Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
