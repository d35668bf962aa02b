#include "training/session.h"

#include <whisker/kernels/cpu/threads.h>

#include "training/memory_plan.h"
#include "training/stop_request.h"

namespace catgan {

using whisker::check;
using whisker::str;

namespace {

bool has_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace

void set_up_machine(Config& config) {
  check<UsageError>(config.precision == Precision::f32 || has_bf16(),
                    "--precision bf16: this CPU has no bfloat16 instructions (avx512_bf16); "
                    "use --precision f32");
  if (config.threads == 0) config.threads = whisker::kernels::cpu::threads();
  whisker::kernels::cpu::set_threads(config.threads);
  check_memory(config);
}

TrainingData load_data_with_bar(const Config& config, Console& console) {
  const char* doing = config.data.empty() ? "drawing cats  " : "reading pictures  ";
  TrainingData data = load_training_data(config, [&](std::size_t done, std::size_t total) {
    throw_if_stopped();
    console.bar(doing +
                progress_bar(static_cast<std::int64_t>(done), static_cast<std::int64_t>(total)));
  });
  console.clear_bar();
  throw_if_stopped();
  return data;
}

}  // namespace catgan
