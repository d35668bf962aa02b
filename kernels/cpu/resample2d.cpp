// A task is some rows of the small images with the rows of blocks that belong to them.
#include <algorithm>
#include <array>

#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/resample2d.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

/// Calls body(row) for every row of the small images, in parallel.
template <class Body>
void for_each_row(const Resample2dShape& s, const Body& body) {
  constexpr std::int64_t kGrain = 16384;  // elements: enough work to outweigh waking a thread
  const std::int64_t per_row = std::max<std::int64_t>(s.large_row_size() * s.block_h, 1);
  parallel_for(s.small_rows(), std::max<std::int64_t>(kGrain / per_row, 1),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row)
                   body(row);
               });
}

}  // namespace

template <class T>
void upsample2d(const T* small, T* large, const Resample2dShape& s, Context&) {
  using F = compute_type<T>;
  const std::int64_t large_row = s.large_row_size();
  for_each_row(s, [&](std::int64_t row) {
    const T* from = small + row * s.small_row_size();
    T* const first = large + row * s.block_h * large_row;
    T* to = first;
    for (std::int64_t w = 0; w < s.width; ++w, from += s.channels)
      for (int column = 0; column < s.block_w; ++column, to += s.channels)
        for (std::int64_t c = 0; c < s.channels; ++c)
          to[c] = T(static_cast<F>(s.scale) * static_cast<F>(from[c]));
    for (int r = 1; r < s.block_h; ++r)
      std::copy_n(first, large_row, first + r * large_row);
  });
}

template <class T>
void block_sum2d(const T* large, T* small, const Resample2dShape& s, Context&) {
  using F = compute_type<T>;
  constexpr std::int64_t kPiece = 64;  // channels whose sums stay in registers or in the cache
  const std::int64_t large_row = s.large_row_size();
  for_each_row(s, [&](std::int64_t row) {
    const T* block = large + row * s.block_h * large_row;
    T* to = small + row * s.small_row_size();
    for (std::int64_t w = 0; w < s.width; ++w, block += s.block_w * s.channels, to += s.channels)
      for (std::int64_t first = 0; first < s.channels; first += kPiece) {
        const std::int64_t count = std::min(kPiece, s.channels - first);
        std::array<F, kPiece> sums{};
        for (int r = 0; r < s.block_h; ++r)
          for (int column = 0; column < s.block_w; ++column) {
            const T* from = block + r * large_row + column * s.channels + first;
            for (std::int64_t c = 0; c < count; ++c)
              sums[static_cast<std::size_t>(c)] += static_cast<F>(from[c]);
          }
        for (std::int64_t c = 0; c < count; ++c)
          to[first + c] = T(static_cast<F>(s.scale) * sums[static_cast<std::size_t>(c)]);
      }
  });
}

#define WHISKER_INSTANTIATE(T)                                                 \
  template void upsample2d<T>(const T*, T*, const Resample2dShape&, Context&); \
  template void block_sum2d<T>(const T*, T*, const Resample2dShape&, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)
WHISKER_INSTANTIATE(double)

}  // namespace whisker::inline v0_1::kernels::cpu
