// Where the products of a convolution are: the three passes as implicit GEMMs
//
//   c[m, n] = sum over k of a[m, k] * b[k, n]
//
//   pass             m                 n          k            a                b
//   forward          pixel of y        o          (r, s, c)    x seen by taps   weight
//   backward_data    pixel of a phase  c          (r, s, o)    dy seen by taps  weight
//   backward_weight  o                 (r, s, c)  pixel of dy  dy               x seen by taps
//
// backward_data is one GEMM per phase: the pixels h of dx with equal (h + top) mod stride_h meet
// the same kernel rows, so no zero that a strided adjoint would insert is ever multiplied.
// docs/kernels/conv2d.md derives all this. The kernels, and the test that walks every product, call
// these very functions. Nothing here reads memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include <whisker/kernels/conv2d.h>
#include <whisker/kernels/cuda/index_divisor.h>

namespace whisker::inline v0_1::kernels::cuda {

/// Which index of an operand is contiguous in memory: of a [m, k] or b [k, n].
enum class Major { k, mn };

/// What an operand's offset is where it lies in the padding: it reads as zero.
inline constexpr std::int64_t kOutside = -1;

// Operands. mn() and k() prepare one coordinate each, since loops keep one of them; offset() joins
// them. All take indices that may exceed the matrix: callers mask those by its size.

/// The pixels of an image [N, H, W, C] that a grid of pixels [N, P, Q] sees through taps
/// [R', S', C]: grid pixel (n, p, q) sees (n, p * step_h + start_h + r * direction, ...) by tap r.
struct ImageWindow {
  int height = 0, width = 0;
  int step_h = 1, step_w = 1;    // between neighbours of the grid, in pixels of the image
  int start_h = 0, start_w = 0;  // what grid pixel 0 sees by tap 0
  int direction = 1;             // +1, or -1 where taps go backward
  IndexDivisor grid_h, grid_w, taps_w, channels;

  struct Pixel {
    int row;   // the image's first, counting the rows of all images
    int h, w;  // seen by tap 0
  };
  struct Tap {
    int h, w, channel;
  };

  WHISKER_HOST_DEVICE constexpr Pixel pixel(int index) const {
    const auto [row, q] = grid_w.split(index);
    const auto [n, p] = grid_h.split(row);
    return {n * height, p * step_h + start_h, q * step_w + start_w};
  }
  WHISKER_HOST_DEVICE constexpr Tap tap(int index) const {
    const auto [taps, channel] = channels.split(index);
    const auto [r, s] = taps_w.split(taps);
    return {r * direction, s * direction, channel};
  }
  WHISKER_HOST_DEVICE constexpr std::int64_t offset(const Pixel& pixel, const Tap& tap) const {
    const int h = pixel.h + tap.h, w = pixel.w + tap.w;
    // As unsigned numbers the negative ones are too large as well.
    const bool inside = static_cast<unsigned>(h) < static_cast<unsigned>(height) &&
                        static_cast<unsigned>(w) < static_cast<unsigned>(width);
    if (!inside) return kOutside;
    // Pixels are counted in 32 bits, see check_gemm_sizes().
    return std::int64_t{(pixel.row + h) * width + w} * channels.value() + tap.channel;
  }
};

/// An image as a [m = pixel, k = (tap, channel)].
struct PixelsByTaps {
  static constexpr Major kMajor = Major::k;
  using Mn = ImageWindow::Pixel;
  using K = ImageWindow::Tap;
  ImageWindow window;

  WHISKER_HOST_DEVICE constexpr Mn mn(int index) const { return window.pixel(index); }
  WHISKER_HOST_DEVICE constexpr K k(int index) const { return window.tap(index); }
  WHISKER_HOST_DEVICE constexpr std::int64_t offset(const Mn& mn, const K& k) const {
    return window.offset(mn, k);
  }
};

/// An image as b [k = pixel, n = (tap, channel)].
struct TapsByPixels {
  static constexpr Major kMajor = Major::mn;
  using Mn = ImageWindow::Tap;
  using K = ImageWindow::Pixel;
  ImageWindow window;

  WHISKER_HOST_DEVICE constexpr Mn mn(int index) const { return window.tap(index); }
  WHISKER_HOST_DEVICE constexpr K k(int index) const { return window.pixel(index); }
  WHISKER_HOST_DEVICE constexpr std::int64_t offset(const Mn& mn, const K& k) const {
    return window.offset(k, mn);
  }
};

/// A matrix [rows = mn, columns = k] or, where kMajor_ is mn, [rows = k, columns = mn].
template <Major kMajor_>
struct DenseMatrix {
  static constexpr Major kMajor = kMajor_;
  using Mn = int;
  using K = int;
  int columns = 0;

  WHISKER_HOST_DEVICE constexpr int mn(int index) const { return index; }
  WHISKER_HOST_DEVICE constexpr int k(int index) const { return index; }
  WHISKER_HOST_DEVICE constexpr std::int64_t offset(int mn, int k) const {
    return kMajor == Major::k ? std::int64_t{mn} * columns + k : std::int64_t{k} * columns + mn;
  }
};

/// The weight [O, R, S, C] of one phase as b [k = (tap of the phase, o), n = c].
struct PhaseWeight {
  static constexpr Major kMajor = Major::mn;
  using Mn = int;
  using K = int;  // weights are counted in 32 bits, see check_gemm_sizes()
  int kernel_w = 1, channels = 1, row_size = 1;  // row_size: R * S * C
  int first_h = 0, first_w = 0, stride_h = 1, stride_w = 1;
  IndexDivisor taps_w, outputs;

  WHISKER_HOST_DEVICE constexpr Mn mn(int index) const { return index; }
  WHISKER_HOST_DEVICE constexpr K k(int index) const {
    const auto [taps, o] = outputs.split(index);
    const auto [i, j] = taps_w.split(taps);
    const int r = first_h + i * stride_h, s = first_w + j * stride_w;
    return o * row_size + (r * kernel_w + s) * channels;
  }
  WHISKER_HOST_DEVICE constexpr std::int64_t offset(Mn mn, K k) const { return k + mn; }
};

// Results. row(m) is where c [m, 0] lies; n is contiguous.

struct DenseRows {
  int columns = 0;
  WHISKER_HOST_DEVICE constexpr std::int64_t row(int m) const { return std::int64_t{m} * columns; }
};

/// Every stride-th pixel of an image [N, H, W, C].
struct PhasePixels {
  int height = 0, width = 0, channels = 0;
  int first_h = 0, first_w = 0, stride_h = 1, stride_w = 1;
  IndexDivisor grid_h, grid_w;

  WHISKER_HOST_DEVICE constexpr std::int64_t row(int m) const {
    const auto [rows, j] = grid_w.split(m);
    const auto [n, i] = grid_h.split(rows);
    const std::int64_t h = std::int64_t{n} * height + first_h + i * stride_h;
    return (h * width + first_w + j * stride_w) * channels;
  }
};

// The GEMMs.

/// kMaxGroup: how many of these one launch takes, bounded by the size of kernel arguments.
template <class A_, class B_, class C_, int kMaxGroup_>
struct ImplicitGemm {
  using A = A_;
  using B = B_;
  using C = C_;
  static constexpr int kMaxGroup = kMaxGroup_;
  int m = 0, n = 0, k = 0;
  A a;
  B b;
  C c;
};

using ForwardGemm = ImplicitGemm<PixelsByTaps, DenseMatrix<Major::k>, DenseRows, 1>;
using BackwardDataGemm = ImplicitGemm<PixelsByTaps, PhaseWeight, PhasePixels, 9>;
using BackwardWeightGemm = ImplicitGemm<DenseMatrix<Major::mn>, TapsByPixels, DenseRows, 1>;

/// Throws Error where a matrix has too many rows or columns for 32-bit indices.
void check_gemm_sizes(const Conv2dShape& shape);

/// x as the taps see it from the pixels of y.
ImageWindow forward_window(const Conv2dShape& shape);
ForwardGemm forward_gemm(const Conv2dShape& shape);
BackwardWeightGemm backward_weight_gemm(const Conv2dShape& shape);

/// Phases are named by the first pixel of dx in them: first_h < min(stride_h, in_h), and so for w.
/// k is 0 where no tap reaches the phase; its pixels are then the bias.
BackwardDataGemm backward_data_gemm(const Conv2dShape& shape, int first_h, int first_w);

// Blocks. One launch computes a group of GEMMs tile by tile, and may split k among blocks.

template <class Gemm>
struct GemmGroup {
  int count = 0;
  int first_tile[Gemm::kMaxGroup + 1] = {};
  IndexDivisor tiles_n[Gemm::kMaxGroup];
  Gemm gemms[Gemm::kMaxGroup];

  /// Appends a GEMM that is computed in tiles of block_m x block_n.
  void add(const Gemm& gemm, int block_m, int block_n) {
    const int tiles = ceil_div(gemm.n, block_n);
    gemms[count] = gemm;
    tiles_n[count] = IndexDivisor(tiles);
    first_tile[count + 1] = first_tile[count] + ceil_div(gemm.m, block_m) * tiles;
    ++count;
  }
  int tiles() const { return first_tile[count]; }

  struct Tile {
    int gemm, m, n;  // m and n count tiles
  };
  /// Neighbouring blocks have equal m: they read the same rows of a, which then come from L2.
  WHISKER_HOST_DEVICE constexpr Tile tile(int block) const {
    int index = 0;
    while (index + 1 < count && block >= first_tile[index + 1])
      ++index;
    const auto [m, n] = tiles_n[index].split(block - first_tile[index]);
    return {index, m, n};
  }
};

struct KRange {
  int begin, end;
};

/// The part of k that split number `split` sums: whole blocks of block_k, as even as can be.
WHISKER_HOST_DEVICE constexpr KRange split_k(int k, int block_k, int splits, int split) {
  const std::int64_t blocks = ceil_div(k, block_k);
  const auto first = static_cast<int>(blocks * split / splits);
  const auto last = static_cast<int>(blocks * (split + 1) / splits);
  return {first * block_k, last == blocks ? k : last * block_k};
}

}  // namespace whisker::inline v0_1::kernels::cuda
