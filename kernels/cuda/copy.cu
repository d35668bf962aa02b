// Casts, sums of two arrays in place, fills, and copies of rows at a stride.
#include <cstddef>

#include <whisker/kernels/cuda/copy_parts.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/index_divisor.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

struct Identity {
  template <class F>
  __device__ F operator()(F x) const {
    return x;
  }
};

template <class F>
struct Constant {
  F value;
  __device__ F operator()() const { return value; }
};

/// Copies words; the index runs over the rows one after the other.
template <class Word>
__global__ void __launch_bounds__(kElementwiseBlock)
    copy_rows_kernel(const Word* x, Word* y, int words, IndexDivisor row_words,
                     std::int64_t x_stride, std::int64_t y_stride) {
  const int threads = static_cast<int>(gridDim.x * blockDim.x);
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < words; i += threads) {
    const auto [row, column] = row_words.split(i);
    y[row * y_stride + column] = x[row * x_stride + column];
  }
}

/// Whether everything of the shape lies at multiples of a word, and if so, copies it.
template <class Word>
bool copy_in_words(const std::byte* x, std::byte* y, const CopyShape& s, Context& context) {
  constexpr std::int64_t kBytes = sizeof(Word);
  const auto places = reinterpret_cast<std::uintptr_t>(x) | reinterpret_cast<std::uintptr_t>(y);
  if (places % kBytes != 0 || (s.row_bytes | s.x_stride | s.y_stride) % kBytes != 0) return false;
  const auto row_words = static_cast<int>(s.row_bytes / kBytes);
  const auto words = static_cast<int>(s.rows * row_words);
  const LaunchConfig config("copy_rows", elementwise_grid(words, context), kElementwiseBlock,
                            context.stream);
  launch(config, copy_rows_kernel<Word>, reinterpret_cast<const Word*>(x),
         reinterpret_cast<Word*>(y), words, IndexDivisor(row_words), s.x_stride / kBytes,
         s.y_stride / kBytes);
  return true;
}

/// The part of a copy that one launch counts with 31 bits.
void copy_part(const std::byte* x, std::byte* y, const CopyShape& s, Context& context) {
  if (copy_in_words<uint4>(x, y, s, context)) return;
  if (copy_in_words<std::uint32_t>(x, y, s, context)) return;
  if (copy_in_words<std::uint16_t>(x, y, s, context)) return;
  copy_in_words<std::uint8_t>(x, y, s, context);
}

}  // namespace

template <class From, class To>
void cast(const From* x, To* y, std::int64_t n, Context& context) {
  transform("cast", Identity{}, n, context, y, x);
}

template <class T>
void accumulate(const T* term, T* sum, std::int64_t n, Context& context) {
  transform("accumulate", Add{}, n, context, sum, sum, term);
}

template <class T>
void fill(T value, T* y, std::int64_t n, Context& context) {
  const auto wide = static_cast<compute_type<T>>(value);
  transform("fill", Constant<compute_type<T>>{wide}, n, context, y);
}

void copy_rows(const void* x, void* y, const CopyShape& shape, Context& context) {
  const auto* from = static_cast<const std::byte*>(x);
  auto* to = static_cast<std::byte*>(y);
  for_each_copy_part(shape, std::int64_t{1} << 30,
                     [&](std::int64_t at_x, std::int64_t at_y, const CopyShape& part) {
                       copy_part(from + at_x, to + at_y, part, context);
                     });
}

#define WHISKER_INSTANTIATE_CAST(From, To) \
  template void cast<From, To>(const From*, To*, std::int64_t, Context&);
#define WHISKER_INSTANTIATE(T)              \
  WHISKER_INSTANTIATE_CAST(float, T)        \
  WHISKER_INSTANTIATE_CAST(bfloat16, T)     \
  WHISKER_INSTANTIATE_CAST(std::uint8_t, T) \
  WHISKER_INSTANTIATE_CAST(std::int32_t, T) \
  template void accumulate<T>(const T*, T*, std::int64_t, Context&);
WHISKER_INSTANTIATE(float)
WHISKER_INSTANTIATE(bfloat16)

template void fill<float>(float, float*, std::int64_t, Context&);
template void fill<bfloat16>(bfloat16, bfloat16*, std::int64_t, Context&);
template void fill<std::int32_t>(std::int32_t, std::int32_t*, std::int64_t, Context&);
template void fill<std::uint8_t>(std::uint8_t, std::uint8_t*, std::int64_t, Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
