// Kernels that go over many arrays in one launch: which block serves which part of which array.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {

/// Elements of a segment that one block serves: a multiple of every vector's width.
inline constexpr std::int64_t kSegmentChunk = 4096;

/// As many segments, of any type with a size n, as the parameters of a launch hold beside
/// kRest bytes of others: 4 KiB on every GPU and driver.
template <class Segment, std::size_t kRest>
struct SegmentGroup {
  static constexpr int kCapacity =
      static_cast<int>((4096 - kRest - 16) / (sizeof(Segment) + sizeof(unsigned)));

  Segment segments[kCapacity];
  unsigned first_block[kCapacity];
  int count = 0;
  unsigned blocks = 0;

  void add(const Segment& segment) {
    segments[count] = segment;
    first_block[count] = blocks;
    blocks += static_cast<unsigned>((segment.n + kSegmentChunk - 1) / kSegmentChunk);
    ++count;
  }

  /// The last segment that begins at the block or before it.
  __device__ int segment_of(unsigned block) const {
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (first_block[middle] <= block)
        low = middle;
      else
        high = middle;
    }
    return low;
  }
};

/// Calls body(group) for groups of the segments that have elements.
template <std::size_t kRest, class Segment, class Body>
void for_each_segment_group(std::span<const Segment> segments, const Body& body) {
  SegmentGroup<Segment, kRest> group;
  for (const Segment& segment : segments) {
    if (segment.n == 0) continue;
    group.add(segment);
    if (group.count < group.kCapacity) continue;
    body(group);
    group = {};
  }
  if (group.count > 0) body(group);
}

/// Calls vector_body(first element) and element_body(element) for chunk `chunk` of n elements.
template <int kCount, class VectorBody, class ElementBody>
__device__ __forceinline__ void for_each_in_chunk(std::int64_t n, unsigned chunk, bool aligned,
                                                  const VectorBody& vector_body,
                                                  const ElementBody& element_body) {
  static_assert(kSegmentChunk % kCount == 0);
  const std::int64_t begin = chunk * kSegmentChunk;
  const std::int64_t end = std::min(begin + kSegmentChunk, n);
  const std::int64_t vectors = aligned ? (end - begin) / kCount : 0;
  for (std::int64_t i = threadIdx.x; i < vectors; i += blockDim.x)
    vector_body(begin + i * kCount);
#pragma unroll 1
  for (std::int64_t i = begin + vectors * kCount + threadIdx.x; i < end; i += blockDim.x)
    element_body(i);
}

}  // namespace whisker::inline v0_1::kernels::cuda
