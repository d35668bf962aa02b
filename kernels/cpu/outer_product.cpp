// dweight[o,r,s,c] is, per tap (r,s), a sum over pixels of outer products dy[pixel, o] x[pixel',
// c]. NHWC stores both factors contiguously, so a tile of 8 x 32 sums stays in 16 vector registers
// while pixels stream by: per pixel 2 loads of x, 8 broadcasts of dy, 16 multiply-adds.
//
//                 c: 32 channels of x (2 vectors)
//               +---------------------------------+
//   o: 8 values | 16 accumulators of 16 floats    |   for each of the kernel's taps, over the
//   of dy       |                                 |   pixels of a block of rows
//               +---------------------------------+
//
// A task owns 128 x 32 channel pairs: it packs the rows it reads into its own cache-sized buffers
// and runs all taps over them. Pixels in the padding are left out, not multiplied by zero. Where
// tasks are few, the batch is split, and the parts are added in order: results do not depend on
// the number of threads.
#include <algorithm>
#include <cstring>

#include <whisker/kernels/cpu/outer_product.h>
#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/cpu/streaming.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace whisker::inline v0_1::kernels::cpu {

#if defined(__x86_64__)
namespace {

constexpr std::int64_t kTileO = 8, kTileC = 32, kTilesPerTask = 16;
constexpr std::int64_t kTaskO = kTileO * kTilesPerTask;
constexpr std::int64_t kBlockBytes = 192 << 10;  // of packed x: stays in the second-level cache

/// How one launch cuts its work.
struct Plan {
  std::int64_t tasks_o, tasks_c, splits, images_per_split, rows_per_block, x_rows;

  explicit Plan(const Conv2dShape& s)
      : tasks_o((s.out_channels + kTaskO - 1) / kTaskO), tasks_c(s.in_channels / kTileC) {
    constexpr std::int64_t kEnoughTasks = 16;
    splits = std::clamp<std::int64_t>(kEnoughTasks / (tasks_o * tasks_c), 1, s.batch);
    images_per_split = (s.batch + splits - 1) / splits;
    splits = (s.batch + images_per_split - 1) / images_per_split;
    const std::int64_t row_bytes = s.in_w * kTileC * 4 * s.stride_h;
    rows_per_block = std::clamp<std::int64_t>(kBlockBytes / row_bytes, 1, s.out_h());
    x_rows = (rows_per_block - 1) * s.stride_h + s.kernel_h;
  }
  std::int64_t x_floats(const Conv2dShape& s) const { return x_rows * s.in_w * kTileC; }
  std::int64_t dy_floats(const Conv2dShape& s) const {
    return kTilesPerTask * rows_per_block * s.out_w() * kTileO;
  }
  std::int64_t sum_floats(const Conv2dShape& s) const {
    return kTilesPerTask * s.kernel_h * s.kernel_w * kTileO * kTileC;
  }
};

/// The output positions whose tap `k` falls inside the image: [begin, end).
struct Range {
  std::int64_t begin, end;
  Range(int k, int padding, int stride, std::int64_t in, std::int64_t out) {
    const std::int64_t first = padding - k;  // position p reads pixel p * stride - first
    begin = first > 0 ? (first + stride - 1) / stride : 0;
    end = std::min(out, (in - 1 + first) >= 0 ? (in - 1 + first) / stride + 1 : 0);
  }
};

/// sums[8][32] += over rows and q of dy[row][q][8] (x) x[row][q][32].
__attribute__((target("avx512f"))) void add_tile(const float* x, std::int64_t x_row,
                                                 std::int64_t x_step, const float* dy,
                                                 std::int64_t dy_row, std::int64_t rows,
                                                 std::int64_t columns, float* sums) {
  __m512 low[kTileO], high[kTileO];
  for (int o = 0; o < kTileO; ++o) {
    low[o] = _mm512_load_ps(sums + o * kTileC);
    high[o] = _mm512_load_ps(sums + o * kTileC + 16);
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* a = dy + row * dy_row;
    const float* b = x + row * x_row;
    for (std::int64_t q = 0; q < columns; ++q, a += kTileO, b += x_step) {
      const __m512 b_low = _mm512_load_ps(b), b_high = _mm512_load_ps(b + 16);
#pragma GCC unroll 8
      for (int o = 0; o < kTileO; ++o) {
        const __m512 value = _mm512_set1_ps(a[o]);
        low[o] = _mm512_fmadd_ps(value, b_low, low[o]);
        high[o] = _mm512_fmadd_ps(value, b_high, high[o]);
      }
    }
  }
  for (int o = 0; o < kTileO; ++o) {
    _mm512_store_ps(sums + o * kTileC, low[o]);
    _mm512_store_ps(sums + o * kTileC + 16, high[o]);
  }
}

/// One task: all taps of 128 output and 32 input channels over the images of one split.
class Task {
 public:
  Task(const Conv2dShape& shape, const Plan& plan, float* scratch)
      : s_(shape),
        plan_(plan),
        x_block_(scratch),
        dy_block_(x_block_ + plan.x_floats(shape)),
        sums_(dy_block_ + plan.dy_floats(shape)) {}

  void run(const float* x, const float* dy, std::int64_t first_image, std::int64_t last_image,
           std::int64_t o, std::int64_t c) {
    tiles_ = std::min(kTilesPerTask, (s_.out_channels - o) / kTileO);
    std::memset(sums_, 0, static_cast<std::size_t>(plan_.sum_floats(s_)) * sizeof(float));
    for (std::int64_t n = first_image; n < last_image; ++n)
      for (std::int64_t p = 0; p < s_.out_h(); p += plan_.rows_per_block) {
        const std::int64_t rows = std::min(plan_.rows_per_block, s_.out_h() - p);
        pack_x(x + n * s_.in_h * s_.in_w * s_.in_channels + c, p, rows);
        pack_dy(dy + (n * s_.out_h() + p) * s_.out_w() * s_.out_channels + o, rows);
        add_block(p, rows);
      }
  }

  /// Writes the sums to dweight, which points at [o, 0, 0, c].
  void store(float* dweight) const {
    const std::int64_t taps = std::int64_t{s_.kernel_h} * s_.kernel_w;
    for (std::int64_t tile = 0; tile < tiles_; ++tile)
      for (std::int64_t tap = 0; tap < taps; ++tap)
        for (std::int64_t o = 0; o < kTileO; ++o)
          stream_floats(sums_ + ((tile * taps + tap) * kTileO + o) * kTileC, kTileC,
                        dweight + ((tile * kTileO + o) * taps + tap) * s_.in_channels);
    finish_streaming();
  }

 private:
  /// The input rows that output rows [p, p + rows) read; those outside the image are left as is.
  void pack_x(const float* x, std::int64_t p, std::int64_t rows) {
    const std::int64_t first = p * s_.stride_h - s_.padding.top;
    const std::int64_t last = (p + rows - 1) * s_.stride_h - s_.padding.top + s_.kernel_h;
    for (std::int64_t h = std::max<std::int64_t>(first, 0); h < std::min(last, s_.in_h); ++h) {
      const float* from = x + h * s_.in_w * s_.in_channels;
      float* to = x_block_ + (h - first) * s_.in_w * kTileC;
      for (std::int64_t w = 0; w < s_.in_w; ++w)
        std::memcpy(to + w * kTileC, from + w * s_.in_channels, kTileC * sizeof(float));
    }
  }

  void pack_dy(const float* dy, std::int64_t rows) {
    const std::int64_t pixels = rows * s_.out_w();
    for (std::int64_t i = 0; i < pixels; ++i)
      for (std::int64_t tile = 0; tile < tiles_; ++tile)
        std::memcpy(dy_block_ + (tile * pixels + i) * kTileO,
                    dy + i * s_.out_channels + tile * kTileO, kTileO * sizeof(float));
  }

  void add_block(std::int64_t p, std::int64_t rows) {
    const std::int64_t x_row = s_.in_w * kTileC, dy_row = s_.out_w() * kTileO;
    for (std::int64_t tile = 0; tile < tiles_; ++tile)
      for (int r = 0; r < s_.kernel_h; ++r) {
        const Range in_rows(r, s_.padding.top, s_.stride_h, s_.in_h, s_.out_h());
        const std::int64_t begin = std::max(in_rows.begin, p) - p;
        const std::int64_t end = std::min(in_rows.end, p + rows) - p;
        for (int k = 0; k < s_.kernel_w && begin < end; ++k) {
          const Range q(k, s_.padding.left, s_.stride_w, s_.in_w, s_.out_w());
          if (q.begin >= q.end) continue;
          const std::int64_t column = q.begin * s_.stride_w - s_.padding.left + k;
          const std::int64_t tap = (tile * s_.kernel_h + r) * s_.kernel_w + k;
          add_tile(x_block_ + (begin * s_.stride_h + r) * x_row + column * kTileC,
                   s_.stride_h * x_row, s_.stride_w * kTileC,
                   dy_block_ + tile * rows * dy_row + begin * dy_row + q.begin * kTileO, dy_row,
                   end - begin, q.end - q.begin, sums_ + tap * kTileO * kTileC);
        }
      }
  }

  const Conv2dShape& s_;
  const Plan& plan_;
  float *x_block_, *dy_block_, *sums_;
  std::int64_t tiles_ = 0;
};

}  // namespace

bool outer_product_serves(const Conv2dShape& shape) {
  return has_avx512() && shape.out_channels % kTileO == 0 && shape.in_channels % kTileC == 0;
}

void outer_product_backward_weight(const float* x, const float* dy, float* dweight,
                                   const Conv2dShape& s, Context& context) {
  const Plan plan(s);
  const Buffer parts =
      plan.splits > 1 ? context.allocate(static_cast<std::size_t>(plan.splits * s.weight_size()) *
                                         sizeof(float))
                      : nullptr;
  auto* partial = reinterpret_cast<float*>(parts.get());
  const std::int64_t scratch_floats = plan.x_floats(s) + plan.dy_floats(s) + plan.sum_floats(s);
  parallel_for(plan.splits * plan.tasks_c * plan.tasks_o, 1, [&](std::int64_t i, std::int64_t) {
    // Tasks that are neighbours share their input channels.
    const std::int64_t o = i % plan.tasks_o * kTaskO;
    const std::int64_t c = i / plan.tasks_o % plan.tasks_c * kTileC;
    const std::int64_t split = i / plan.tasks_o / plan.tasks_c;
    const Buffer scratch =
        context.allocate(static_cast<std::size_t>(scratch_floats) * sizeof(float));
    Task task(s, plan, reinterpret_cast<float*>(scratch.get()));
    const std::int64_t first = split * plan.images_per_split;
    task.run(x, dy, first, std::min(first + plan.images_per_split, s.batch), o, c);
    float* target = partial ? partial + split * s.weight_size() : dweight;
    task.store(target + o * s.kernel_h * s.kernel_w * s.in_channels + c);
  });
  if (!partial) return;
  add_parts(partial, plan.splits, s.weight_size(), dweight);
}

#else

bool outer_product_serves(const Conv2dShape&) {
  return false;
}
void outer_product_backward_weight(const float*, const float*, float*, const Conv2dShape&,
                                   Context&) {}

#endif

}  // namespace whisker::inline v0_1::kernels::cpu
