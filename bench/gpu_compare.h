// Whether results are right, before they are timed: against the CPU's kernels or the definition.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <whisker/core/tensor.h>

#include "gpu_bench.h"

namespace whisker_bench {

/// Which of `size` elements are compared: all, or `rows` times `row` neighbours at a stride, and
/// the last `row`. The stride is odd, so that every column of a tile has its turn.
struct Sample {
  std::int64_t size = 0, rows = 1, row = 0, stride = 0;

  static Sample of(std::int64_t size, std::int64_t rows, std::int64_t row);
  bool is_whole() const { return row == size; }
  /// Where its rows begin.
  std::vector<std::int64_t> starts() const;
};

/// The elements of a sample as float32, on the host.
std::vector<float> values_of(const whisker::Tensor& t, const Sample& sample);
/// The same for some four million elements.
std::vector<float> values_of(const whisker::Tensor& t);

/// How far results may be from those expected, both in units of the root mean square of the latter.
struct Tolerance {
  double distance = 0.0;  // of all, as root mean square
  double worst = 0.0;     // of any one element
};

/// For results of this type; addends: of the sums in float32 that they are.
Tolerance tolerance(GpuDtype dtype, std::int64_t addends = 1);

/// Empty if the results are right, else how far they are off.
std::string difference(const std::vector<float>& actual, const std::vector<float>& expected,
                       const Tolerance& allowed);

/// Sets all bits, which makes every element NaN: what a kernel leaves unwritten is then wrong.
void spoil(whisker::Tensor& t);

}  // namespace whisker_bench
