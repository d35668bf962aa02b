// conv2d_backward_data to pictures on tensor cores.
//
//   part[h, q, (s, c)] = sum over r, o of dy[p, q, o] * weight[o, r, s, c]
//   dx[h, w, c]        = bias[c] + sum over s of part[h, q, (s, c)]
//
// with p * stride_h = h + top - r and q * stride_w = w + left - s.
//
// The first line is a GEMM for each row h of dx: m = columns q of dy, n = (s, c), k = (r, o); n
// fills fragments that c alone would leave nearly empty, and no row of dy is multiplied twice. A
// block brings 32 columns of dy into shared memory, 64 bytes of outputs at a time, and has sums for
// 16 rows of dx; the second line reads them from shared memory. dx is overwritten.
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_few_channels.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kRowsPerWarp = kDataRows / kWarps;
constexpr int kFragmentsM = kDataColumns / 16;
constexpr int kMaxBlocksN = 3;
using Sums = float[kRowsPerWarp][kFragmentsM][kMaxBlocksN][4];

/// dy in shared memory: pixels [tile_rows * kDataColumns] by 64 bytes of outputs, laid out as this
/// tile and its repetitions.
template <class T>
using DyTile = OperandTile<T, Major::k, 64, kThreads>;

/// Shared memory: stages [2] that later hold the parts [16][32][part_pitch], weights [r][n][pitch].
template <class T>
struct Layout {
  int chunks;      // of 64 bytes of outputs
  int pitch;       // of weights, in bytes: odd in 16-byte chunks, so that ldmatrix is free
  int part_pitch;  // in floats: 8 or 24 of 32 banks, so that stores of parts are free
  int stage_bytes, weights_at;

  __device__ explicit Layout(const DataTiles& tiles)
      : chunks(ceil_div(tiles.outputs, DyTile<T>::kBlockK)),
        pitch(chunks * kMmaBlockKBytes + kChunkBytes),
        part_pitch(tiles.blocks_n() == 1 ? 8 : 24),
        stage_bytes(tiles.tile_rows * kDataColumns * kMmaBlockKBytes),
        weights_at(max_of(2 * stage_bytes, kDataRows * kDataColumns * part_pitch * 4)) {}

 private:
  static __device__ int max_of(int a, int b) { return a > b ? a : b; }
};

template <class T>
__device__ void fill_weights(const DataTiles& tiles, const float* __restrict__ weight,
                             const Layout<T>& layout, unsigned char* shared) {
  const int used_n = tiles.kernel_w * tiles.channels.value(), all_n = tiles.blocks_n() * 8;
  const int outputs = layout.chunks * DyTile<T>::kBlockK;
  for (int i = static_cast<int>(threadIdx.x); i < outputs * tiles.kernel_h * all_n; i += kThreads) {
    const int n = i % all_n, r = i / all_n % tiles.kernel_h, o = i / all_n / tiles.kernel_h;
    const bool inside = n < used_n && o < tiles.outputs;
    const std::int64_t at = (std::int64_t{o} * tiles.kernel_h + r) * used_n + n;
    auto* row = reinterpret_cast<T*>(shared + (r * all_n + n) * layout.pitch);
    row[o] = to_factor<T>(inside ? weight[at] : 0.0f);
  }
}

/// Starts copying chunk number `chunk` of the outputs of a tile of dy; zeros outside.
template <class T>
__device__ __forceinline__ void copy_dy(const DataTiles& tiles, const DataTiles::Tile& tile,
                                        int chunk, const T* __restrict__ dy, unsigned char* stage) {
  using Tile = DyTile<T>;
  const int pieces = tiles.tile_rows * kDataColumns * Tile::kRowChunks;
  for (int i = static_cast<int>(threadIdx.x); i < pieces; i += kThreads) {
    const int pixel = i / Tile::kRowChunks, piece = i % Tile::kRowChunks;
    const int o = chunk * Tile::kBlockK + piece * Tile::kChunk;
    const std::int64_t at = tiles.dy_offset(tile, pixel / kDataColumns, pixel % kDataColumns);
    const bool inside = at != kOutside && o < tiles.outputs;
    ptx::cp_async_16(stage + Tile::offset(pixel, piece), dy + (inside ? at + o : 0), inside);
  }
}

/// Adds the products of one stage to the sums of this warp, which has rows warp, warp + 8 of dx:
/// for strides 1, 2, 4 and 8 these meet the same kernel rows.
template <class T>
__device__ __forceinline__ void multiply_stage(const DataTiles& tiles, const DataTiles::Tile& tile,
                                               const unsigned char* stage,
                                               const unsigned char* weights, int pitch,
                                               Sums& sums) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int blocks_n = tiles.blocks_n();
#pragma unroll 1
  for (int r = 0; r < tiles.kernel_h; ++r) {
    int rows[kRowsPerWarp];
    bool any = false;
#pragma unroll
    for (int i = 0; i < kRowsPerWarp; ++i) {
      rows[i] = tiles.dy_row(tile, warp + i * kWarps, r);
      any |= rows[i] >= 0;
    }
    if (!any) continue;
#pragma unroll
    for (int step = 0; step < kMmaBlockKBytes / kMmaStepBytes; ++step) {
      std::uint32_t columns[kMaxBlocksN][2];
#pragma unroll
      for (int j = 0; j < kMaxBlocksN; ++j) {
        if (j >= blocks_n) continue;
        const int n = (r * blocks_n + j) * 8 + lane % 8;
        ptx::ldmatrix_x2(columns[j],
                         weights + n * pitch + step * kMmaStepBytes + lane / 8 % 2 * kChunkBytes);
      }
#pragma unroll
      for (int i = 0; i < kRowsPerWarp; ++i) {
        if (rows[i] < 0) continue;
#pragma unroll
        for (int m = 0; m < kFragmentsM; ++m) {
          std::uint32_t pixels[4];
          load_fragment<T, Major::k, DyTile<T>, kDataColumns>(stage, rows[i] * kDataColumns, m * 16,
                                                              step, pixels);
#pragma unroll
          for (int j = 0; j < kMaxBlocksN; ++j)
            if (j < blocks_n) multiply_fragments<T>(pixels, columns[j], sums[i][m][j]);
        }
      }
    }
  }
}

/// Leaves the warps' sums as part[h][q][n] in shared memory.
__device__ __forceinline__ void store_parts(const Sums& sums, int blocks_n, int pitch,
                                            float* parts) {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int i = 0; i < kRowsPerWarp; ++i)
#pragma unroll
    for (int m = 0; m < kFragmentsM; ++m)
#pragma unroll
      for (int j = 0; j < kMaxBlocksN; ++j)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          if (j >= blocks_n) continue;
          const int q = m * 16 + half * 8 + lane / 4, n = j * 8 + lane % 4 * 2;
          const int at = ((warp + i * kWarps) * kDataColumns + q) * pitch + n;
          *reinterpret_cast<float2*>(parts + at) =
              make_float2(sums[i][m][j][half * 2], sums[i][m][j][half * 2 + 1]);
        }
}

/// Adds up what the columns of dy give to each pixel of dx, and the bias, by ascending s.
template <class T>
__device__ __forceinline__ void write_dx(const DataTiles& tiles, const DataTiles::Tile& tile,
                                         const float* parts, int pitch,
                                         const float* __restrict__ bias, T* __restrict__ dx) {
  const int channels = tiles.channels.value(), stride = tiles.stride_w.value();
  for (int i = static_cast<int>(threadIdx.x); i < kDataRows * tiles.row_size.value();
       i += kThreads) {
    const auto [h, place] = tiles.row_size.split(i);
    const auto [w, c] = tiles.channels.split(place);
    if (tile.h + h >= tiles.height || tile.w + w >= tiles.width) continue;
    const auto [first_s, first_column] = tiles.dy_columns(tile, w);
    float sum = 0.0f;
    int column = first_column;
    for (int s = first_s; s < tiles.kernel_w; s += stride, --column)
      sum += parts[(h * kDataColumns + column) * pitch + s * channels + c];
    const int pixel = (tile.image * tiles.height + tile.h + h) * tiles.width + tile.w + w;
    dx[std::int64_t{pixel} * channels + c] = T(sum + (bias == nullptr ? 0.0f : bias[c]));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    few_channels_backward_data_kernel(const T* __restrict__ dy, const float* __restrict__ weight,
                                      const float* __restrict__ bias, T* __restrict__ dx,
                                      const __grid_constant__ DataTiles tiles) {
  WHISKER_DYNAMIC_SHARED(shared);
  const Layout<T> layout(tiles);
  unsigned char* weights = shared + layout.weights_at;
  auto* parts = reinterpret_cast<float*>(shared);
  fill_weights(tiles, weight, layout, weights);

  for (int index = static_cast<int>(blockIdx.x); index < tiles.tiles;
       index += static_cast<int>(gridDim.x)) {
    const DataTiles::Tile tile = tiles.tile(index);
    Sums sums = {};
    copy_dy(tiles, tile, 0, dy, shared);
    ptx::cp_async_commit();
#pragma unroll 1
    for (int chunk = 0; chunk < layout.chunks; ++chunk) {
      if (chunk + 1 < layout.chunks)
        copy_dy(tiles, tile, chunk + 1, dy, shared + (chunk + 1) % 2 * layout.stage_bytes);
      ptx::cp_async_commit();
      ptx::cp_async_wait<1>();
      __syncthreads();
      multiply_stage<T>(tiles, tile, shared + chunk % 2 * layout.stage_bytes,
                        weights + chunk * kMmaBlockKBytes, layout.pitch, sums);
      __syncthreads();  // this stage, or the parts in its place, are written next
    }
    store_parts(sums, tiles.blocks_n(), layout.part_pitch, parts);
    __syncthreads();
    write_dx(tiles, tile, parts, layout.part_pitch, bias, dx);
    __syncthreads();  // the next tile is copied over the parts
  }
  ptx::cp_async_wait<0>();
}

}  // namespace

template <class T>
void few_channels_backward_data(const T* dy, const float* weight, const float* bias, T* dx,
                                const Conv2dShape& shape, const Context& context) {
  const DataTiles tiles = data_tiles(shape);
  launch(LaunchConfig("conv2d_backward_data_few_channels",
                      static_cast<unsigned>(few_channels_blocks(tiles.tiles, context.sm_count)),
                      kThreads, context.stream,
                      few_channels_shared_bytes(Conv2dPass::backward_data, shape, sizeof(T))),
         few_channels_backward_data_kernel<T>, dy, weight, bias, dx, tiles);
}

template void few_channels_backward_data(const float*, const float*, const float*, float*,
                                         const Conv2dShape&, const Context&);
template void few_channels_backward_data(const bfloat16*, const float*, const float*, bfloat16*,
                                         const Conv2dShape&, const Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
