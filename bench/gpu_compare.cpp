#ifdef WHISKER_CUDA
#include "gpu_compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include <whisker/core/backend.h>
#include <whisker/core/ops/cast.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/error.h>

namespace whisker_bench {

using whisker::Tensor;

Sample Sample::of(std::int64_t size, std::int64_t rows, std::int64_t row) {
  if (size <= rows * row) return {.size = size, .row = size};
  return {.size = size, .rows = rows, .row = row, .stride = ((size - row) / rows - 1) | 1};
}

std::vector<std::int64_t> Sample::starts() const {
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < rows; ++i)
    result.push_back(i * stride);
  if (!is_whole()) result.push_back(size - row);
  return result;
}

std::vector<float> values_of(const Tensor& t, const Sample& sample) {
  if (sample.is_whole()) return cast(t, whisker::Dtype::float32).to_vector<float>();
  const auto element = static_cast<std::int64_t>(size_of(t.dtype()));
  const std::int64_t row_bytes = sample.row * element;
  Tensor taken = Tensor::empty({(sample.rows + 1) * sample.row}, t.dtype(), t.device());
  const std::byte* from = t.raw_data();
  std::byte* to = taken.raw_mutable_data();
  whisker::with_context(t.device(), [&](auto& context) {
    copy_rows(from, to, {sample.rows, row_bytes, sample.stride * element, row_bytes}, context);
    copy_rows(from + (sample.size - sample.row) * element, to + sample.rows * row_bytes,
              {1, row_bytes, row_bytes, row_bytes}, context);
  });
  return cast(taken, whisker::Dtype::float32).to_vector<float>();
}

std::vector<float> values_of(const Tensor& t) {
  return values_of(t, Sample::of(t.numel(), 1024, 4096));
}

Tolerance tolerance(GpuDtype dtype, std::int64_t addends) {
  // Roundings of results to bfloat16 and of factors to TF32. A sum of n in float32, one after the
  // other, is off by sqrt(n / 6) 2^-24, which is 1.2e-5 for 2^18.
  const double long_sum = std::max(1.0, std::sqrt(static_cast<double>(addends) / (1 << 18)));
  const double distance = dtype == GpuDtype::bfloat16 ? 6e-3
                          : dtype == GpuDtype::tf32   ? 2e-3
                                                      : 2e-5 * long_sum;
  return {.distance = distance, .worst = 10.0 * distance};
}

std::string difference(const std::vector<float>& actual, const std::vector<float>& expected,
                       const Tolerance& allowed) {
  whisker::check(actual.size() == expected.size(), "results of two sizes cannot be compared");
  double squares = 0.0, size = 0.0, worst = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double e = expected[i], d = std::abs(actual[i] - e);
    squares += d * d;  // keeps a NaN
    size += e * e;
    worst = std::max(worst, d);
  }
  const double n = std::max(1.0, static_cast<double>(expected.size()));
  const double unit = size > 0.0 ? std::sqrt(size / n) : 1.0;
  const double distance = std::sqrt(squares / n) / unit;
  if (distance <= allowed.distance && worst / unit <= allowed.worst) return {};
  char text[96];
  std::snprintf(text, sizeof(text), "off by %.1e, at worst %.1e; allowed %.1e and %.1e", distance,
                worst / unit, allowed.distance, allowed.worst);
  return text;
}

void spoil(Tensor& t) {
  std::byte* bytes = t.raw_mutable_data();
  if (t.device() == whisker::Device::cpu()) {
    std::memset(bytes, 0xFF, t.bytes());
    return;
  }
  whisker::kernels::cuda::check_cuda(
      cudaMemsetAsync(bytes, 0xFF, t.bytes(), whisker::cuda_context(t.device().index).stream),
      "cudaMemsetAsync");
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
