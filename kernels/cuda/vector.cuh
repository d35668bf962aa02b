// Sixteen bytes at a time: how kernels that work element by element read and write global memory.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/gpu.h>
#include <whisker/kernels/cuda/index_divisor.h>
#include <whisker/kernels/host_device.h>

namespace whisker::inline v0_1::kernels::cuda {

/// Threads of a block of the kernels that give every thread elements of its own.
inline constexpr int kElementwiseBlock = 256;

/// kCount neighbouring elements, which move as one instruction.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Vector {
  T values[kCount];
};

/// How many elements of the widest of the types make 16 bytes.
template <class... Ts>
inline constexpr int kVectorWidth = 16 / static_cast<int>(std::max({sizeof(Ts)...}));

/// kCount elements at p, which is aligned to all of them together, in their compute type.
template <int kCount, class T>
__device__ __forceinline__ Vector<compute_type<T>, kCount> load_vector(const T* p) {
  const auto elements = *reinterpret_cast<const Vector<T, kCount>*>(p);
  Vector<compute_type<T>, kCount> values;
#pragma unroll
  for (int i = 0; i < kCount; ++i)
    values.values[i] = static_cast<compute_type<T>>(elements.values[i]);
  return values;
}

/// Writes kCount elements, each rounded to T once, at p, which is aligned to all of them together.
template <int kCount, class T>
__device__ __forceinline__ void store_vector(const Vector<compute_type<T>, kCount>& values, T* p) {
  Vector<T, kCount> elements;
  if constexpr (std::is_same_v<T, bfloat16> && kCount % 2 == 0) {
    Vector<std::uint32_t, kCount / 2> pairs;
#pragma unroll
    for (int i = 0; i < kCount / 2; ++i)
      pairs.values[i] = ptx::to_bfloat16x2(values.values[2 * i], values.values[2 * i + 1]);
    elements = std::bit_cast<Vector<T, kCount>>(pairs);
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i)
      elements.values[i] = T(values.values[i]);
  }
  *reinterpret_cast<Vector<T, kCount>*>(p) = elements;
}

/// n elements as `vectors` wide pieces from the start and single elements behind them.
struct VectorSplit {
  std::int64_t vectors = 0, n = 0;
};

/// Whether every pointer, null ones aside, is aligned to kCount of its elements.
template <int kCount, class... Ts>
WHISKER_HOST_DEVICE bool aligned_for(const Ts*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % (sizeof(Ts) * kCount) == 0) && ...);
}

/// One misaligned array makes all of it single elements: a slice at an odd place is rare.
template <class... Ts>
VectorSplit split_vectors(std::int64_t n, const Ts*... pointers) {
  constexpr int kCount = kVectorWidth<Ts...>;
  return {aligned_for<kCount>(pointers...) ? n / kCount : 0, n};
}

/// Enough blocks for the work, at most as many as the device holds at a time: threads walk on.
inline unsigned elementwise_grid(std::int64_t work, const Context& context) {
  const std::int64_t wanted = ceil_div(work, kElementwiseBlock);
  return static_cast<unsigned>(
      std::clamp<std::int64_t>(wanted, 1, std::int64_t{8} * context.sm_count));
}

/// A block whose rows of threads lie along rows of this size; short rows share it.
inline dim3 row_block(std::int64_t row_size) {
  unsigned width = 1;  // a power of two, so that it divides the block
  while (width < row_size && width < kElementwiseBlock)
    width *= 2;
  return dim3(width, kElementwiseBlock / width);
}

/// Calls vector_body(first element) for the wide pieces and element_body(element) for the rest.
template <int kCount, class VectorBody, class ElementBody>
__device__ __forceinline__ void for_each_element(VectorSplit split, const VectorBody& vector_body,
                                                 const ElementBody& element_body) {
  const std::int64_t thread = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t threads = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = thread; i < split.vectors; i += threads)
    vector_body(i * kCount);
#pragma unroll 1
  for (std::int64_t i = split.vectors * kCount + thread; i < split.n; i += threads)
    element_body(i);
}

/// y[i] = f(x0[i], x1[i], ...), computed in the elements' compute types. y may be one of the x.
template <class F, class Out, class... In>
__global__ void __launch_bounds__(kElementwiseBlock)
    transform_kernel(F f, VectorSplit split, Out* y, const In*... x) {
  constexpr int kCount = kVectorWidth<Out, In...>;
  using Result = compute_type<Out>;
  for_each_element<kCount>(
      split,
      [&](std::int64_t first) {
        Vector<Result, kCount> results;
        const auto apply = [&](const auto&... arguments) {
#pragma unroll
          for (int i = 0; i < kCount; ++i)
            results.values[i] = static_cast<Result>(f(arguments.values[i]...));
        };
        apply(load_vector<kCount>(x + first)...);
        store_vector<kCount>(results, y + first);
      },
      [&](std::int64_t i) {
        y[i] = Out(static_cast<Result>(f(static_cast<compute_type<In>>(x[i])...)));
      });
}

/// Queues transform_kernel under the name of an op.
template <class F, class Out, class... In>
void transform(const char* name, F f, std::int64_t n, Context& context, Out* y, const In*... x) {
  if (n == 0) return;
  const VectorSplit split = split_vectors(n, y, x...);
  const LaunchConfig config(name, elementwise_grid(n / kVectorWidth<Out, In...> + 1, context),
                            kElementwiseBlock, context.stream);
  launch(config, transform_kernel<F, Out, In...>, f, split, y, x...);
}

}  // namespace whisker::inline v0_1::kernels::cuda
