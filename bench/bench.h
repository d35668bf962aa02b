// Timing of kernels: warm-up, then the median of several calls.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "conv2d_cases.h"

namespace whisker_bench {

struct Measurement {
  std::string name;
  double milliseconds = 0.0;  // median
  double flops = 0.0;         // 0 where bytes count instead
  double bytes = 0.0;
};

/// The median time of one call of body, in milliseconds. Runs for about `seconds`, at least 5
/// calls.
double median_ms(const std::function<void()>& body, double seconds = 0.4);

/// The median time of that many calls, in milliseconds, without a warm-up.
double median_of_calls(const std::function<void()>& body, int calls);

/// What this machine can do: a matrix product of 2048^3 in float32, and a copy of 256 MiB.
struct Peak {
  double gflops = 0.0;
  double gbytes_per_second = 0.0;
};
Peak measure_peak();

/// One aligned line: name, time, rate, share of the peak.
void print_line(const Measurement& m, const Peak& peak);

/// All measurements with the machine's description, as JSON text.
std::string to_json(const std::vector<Measurement>& measurements, const Peak& peak);

/// All three passes of each convolution, on the CPU.
std::vector<Measurement> bench_convolutions(const std::vector<ConvCase>& cases,
                                            const std::string& filter, bool bfloat16,
                                            const Peak& peak);

struct TrainMeasurement {
  double milliseconds = 0.0;  // median of a whole training step
  double peak_rss_mb = 0.0;   // of the process
};

/// Training steps of a catgan preset on random pictures, without weight averaging.
TrainMeasurement bench_training(const std::string& preset, int batch, bool bfloat16, int steps);

}  // namespace whisker_bench
