// Our kernels on a GPU beside cuDNN and cuBLAS, each checked before it is timed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <whisker/core/backend.h>

#include "conv2d_cases.h"

namespace whisker_bench {

enum class GpuDtype { float32, tf32, bfloat16 };

struct GpuOptions {
  whisker::Device device = whisker::Device::cuda();
  GpuDtype dtype = GpuDtype::bfloat16;
  std::string filter;     // only cases whose name contains this
  std::string tune_path;  // search tiles and write the fastest here; empty: time the choice
  std::string json_path;
  int rounds = 21;
  int batch = 64, image_size = 128, divide_widths = 1;  // of what is no convolution
  // What fills a GPU, or its L2 several times, would keep the simulator busy for hours.
  std::int64_t product_size = whisker::kSimulated ? 64 : 8192;
  std::int64_t copy_mib = whisker::kSimulated ? 1 : 1024;
  std::int64_t flush_mib = whisker::kSimulated ? 1 : 256;
};

/// Prints a line for each case; returns whether every result was right. JSON and table are written
/// after each, so that whoever is stopped loses one. Throws Error where there is no GPU.
bool bench_gpu(const std::vector<ConvCase>& convolutions, const GpuOptions& options);

}  // namespace whisker_bench
