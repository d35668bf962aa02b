// Finding numbers that are none: every block looks at its part of an array, and the lowest number
// of a bad one wins, in whichever order blocks come.
#include <bit>

#include <whisker/kernels/cuda/segments.cuh>
#include <whisker/kernels/finite.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

using CheckGroup = SegmentGroup<ValuesToCheck, sizeof(std::int32_t*)>;

__device__ __forceinline__ bool is_finite(float value) {
  constexpr std::uint32_t kExponent = 0x7F800000u;
  return (std::bit_cast<std::uint32_t>(value) & kExponent) != kExponent;
}

__global__ void __launch_bounds__(kElementwiseBlock)
    find_not_finite_kernel(const __grid_constant__ CheckGroup group, std::int32_t* first) {
  constexpr int kCount = kVectorWidth<float>;
  const int found = group.segment_of(blockIdx.x);
  const ValuesToCheck array = group.segments[found];
  bool finite = true;
  for_each_in_chunk<kCount>(
      array.n, blockIdx.x - group.first_block[found], aligned_for<kCount>(array.data),
      [&](std::int64_t at) {
        const auto values = load_vector<kCount>(array.data + at);
#pragma unroll
        for (int i = 0; i < kCount; ++i)
          finite = finite && is_finite(values.values[i]);
      },
      [&](std::int64_t at) { finite = finite && is_finite(array.data[at]); });
  if (!finite) atomicMin(first, array.number);
}

}  // namespace

void find_not_finite(std::span<const ValuesToCheck> arrays, std::int32_t* first, Context& context) {
  for_each_segment_group<sizeof(first)>(arrays, [&](const CheckGroup& group) {
    launch(LaunchConfig("find_not_finite", group.blocks, kElementwiseBlock, context.stream),
           find_not_finite_kernel, group, first);
  });
}

}  // namespace whisker::inline v0_1::kernels::cuda
