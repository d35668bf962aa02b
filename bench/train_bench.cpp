#include <sys/resource.h>

#include <whisker/core/random.h>

#include "bench.h"
#include "training/trainer.h"

namespace whisker_bench {

TrainMeasurement bench_training(const std::string& preset, int batch, bool bfloat16, int steps) {
  catgan::Config config = catgan::make_preset(preset);
  config.batch = batch;
  config.ema_decay = 0.0;  // the peer has none
  if (bfloat16) config.precision = catgan::Precision::bf16;
  catgan::Trainer trainer(config);
  const auto real =
      whisker::random_uniform({batch, config.size, config.size, 3}, -1, 1, {.seed = 1});
  const auto z = whisker::random_uniform({batch, config.z_size}, -1, 1, {.seed = 2});
  constexpr int kWarmup = 2;
  for (int i = 0; i < kWarmup; ++i)
    trainer.step(real, z);
  TrainMeasurement result;
  result.milliseconds = median_of_calls([&] { trainer.step(real, z); }, steps);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  result.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024.0;
  return result;
}

}  // namespace whisker_bench
