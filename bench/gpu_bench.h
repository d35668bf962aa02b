// Our kernels on a GPU beside cuDNN and cuBLAS, each checked before it is timed.
#pragma once

#include <string>
#include <vector>

#include "conv2d_cases.h"

namespace whisker_bench {

enum class GpuDtype { float32, tf32, bfloat16 };

struct GpuOptions {
  GpuDtype dtype = GpuDtype::bfloat16;
  std::string filter;     // only cases whose name contains this
  std::string tune_path;  // search tiles and write the fastest here; empty: time the choice
  std::string json_path;
  int rounds = 21;
};

/// Prints a line for each case; returns whether every result was right. Throws Error where there is
/// no GPU.
bool bench_gpu(const std::vector<ConvCase>& convolutions, const GpuOptions& options);

}  // namespace whisker_bench
