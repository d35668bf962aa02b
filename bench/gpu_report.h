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
  double microseconds = 0.0;        // 0 where no kernel of ours was right
  double flops = 0.0, bytes = 0.0;  // one of them counts; the other is 0
  std::string rival;                // empty where there is none
  double rival_microseconds = 0.0;
  std::vector<std::string> wrong;  // kernels whose results were wrong, and how far they were off
};

/// What this device can do, by NVIDIA's own copy and matrix product.
struct GpuPeak {
  std::string product;  // by what the product was computed
  double tflops = 0.0, gbytes_per_second = 0.0;
};

/// Prints results, and writes the files that the options name anew for each.
class GpuReport {
 public:
  /// Throws InputError if there is a table already and it is malformed.
  GpuReport(const GpuOptions& options, std::string device, const GpuPeak& peak);

  /// A row for the table, written with the result that follows. Of two rows for one problem the
  /// later counts when the table is read.
  void tune(const whisker::kernels::cuda::TunedConv2d& row) { tuned_.conv2d.push_back(row); }
  void tune(const whisker::kernels::cuda::TunedMatmul& row) { tuned_.matmul.push_back(row); }
  void tune(const whisker::kernels::cuda::TunedBatchNorm& row) { tuned_.batch_norm.push_back(row); }
  void add(const GpuResult& result);

  bool is_empty() const { return results_.empty(); }
  bool is_all_right() const;

 private:
  std::string to_json() const;
  void print_header() const;
  void print_line(const GpuResult& result) const;

  const GpuOptions& options_;
  std::string device_;
  GpuPeak peak_;
  std::string old_table_;
  whisker::Tuning tuned_;
  std::vector<GpuResult> results_;
};

/// What a benchmark needs.
struct GpuSetting {
  const GpuOptions& options;
  whisker::kernels::cuda::Context& context;
  GpuTimer& timer;
  GpuReport& report;

  /// Whether the filter lets this case pass.
  bool wants(const std::string& name) const {
    return name.find(options.filter) != std::string::npos;
  }
};

/// All passes of a convolution; with options.tune_path the fastest plans go to the table.
void bench_gpu_convolution(const ConvCase& c, const GpuSetting& setting);

/// Products and batch norms of nets with these convolutions, by us and by NVIDIA's libraries; the
/// faster ones go to the table.
void bench_gpu_backends(const std::vector<ConvCase>& convolutions, const GpuSetting& setting);

/// What runs between the layers, on the pictures that go from one to the next.
void bench_gpu_images(const GpuSetting& setting);

/// Matrix products of the article's dense layers, optimizers, casts and random numbers.
void bench_gpu_others(const GpuSetting& setting);

/// Calls body(TypeTag<float or bfloat16>).
template <class BodyOfType>
void with_element_type(GpuDtype dtype, const BodyOfType& body) {
  if (dtype == GpuDtype::bfloat16)
    body(whisker::TypeTag<whisker::bfloat16>{});
  else
    body(whisker::TypeTag<float>{});
}

}  // namespace whisker_bench
