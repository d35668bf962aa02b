// What the benchmarks on a GPU have in common.
#pragma once

#include <string>
#include <vector>

#include <whisker/core/cuda/tuning.h>
#include <whisker/core/tensor.h>

#include "gpu_bench.h"
#include "gpu_timer.h"

namespace whisker_bench {

/// One case: our kernel, and NVIDIA's library where it has one.
struct GpuResult {
  std::string name, kernel;
  double microseconds = 0.0;
  double flops = 0.0, bytes = 0.0;  // one of them counts; the other is 0
  std::string rival;                // empty where there is none
  double rival_microseconds = 0.0;
  std::vector<std::string> wrong;  // kernels whose results were wrong
};

/// What this device can do, by NVIDIA's own copy and matrix product.
struct GpuPeak {
  std::string product;  // by what the product was computed
  double tflops = 0.0, gbytes_per_second = 0.0;
};

/// What a benchmark needs.
struct GpuSetting {
  const GpuOptions& options;
  whisker::kernels::cuda::Context& context;
  GpuTimer& timer;
  GpuPeak peak;
};

void print_line(const GpuResult& result, const GpuPeak& peak);

GpuPeak measure_gpu_peak(GpuDtype dtype, whisker::kernels::cuda::Context& context, GpuTimer& timer);

/// All passes of a convolution; with options.tune_path the fastest plans are added to `tuned`.
std::vector<GpuResult> bench_gpu_convolution(
    const ConvCase& c, const GpuSetting& setting,
    std::vector<whisker::kernels::cuda::TunedConv2d>& tuned);

/// Products and batch norms of nets with these convolutions, by us and by NVIDIA's libraries; the
/// faster ones are added to `tuned`.
std::vector<GpuResult> bench_gpu_backends(const std::vector<ConvCase>& convolutions,
                                          const GpuSetting& setting, whisker::Tuning& tuned);

/// Matrix products of the article's dense layers, and the kernels that only move memory.
std::vector<GpuResult> bench_gpu_others(const GpuSetting& setting);

/// |a - b| / |b| of float32 or bfloat16 tensors taken as vectors; a NaN stays one.
double distance(const whisker::Tensor& a, const whisker::Tensor& b);

/// How far results of this type may be from float32 arithmetic.
double allowed_distance(GpuDtype dtype);

/// Whether the filter lets this case pass.
bool is_wanted(const std::string& name, const GpuOptions& options);

/// Calls body(TypeTag<float or bfloat16>).
template <class BodyOfType>
void with_element_type(GpuDtype dtype, const BodyOfType& body) {
  if (dtype == GpuDtype::bfloat16)
    body(whisker::TypeTag<whisker::bfloat16>{});
  else
    body(whisker::TypeTag<float>{});
}

}  // namespace whisker_bench
