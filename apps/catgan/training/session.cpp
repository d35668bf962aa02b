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

whisker::Device resolve_device(Config& config) {
  const whisker::Device device = parse_device_flag(config.device);
  config.device = str(device);
  return device;
}

}  // namespace

whisker::Device parse_device_flag(const std::string& text) {
  try {
    return whisker::parse_device(text);
  } catch (const whisker::InputError& error) {
    throw UsageError(str("--", error.what()));
  }
}

MachineScope::MachineScope(Config& config) : device_(resolve_device(config)) {
  const bool on_cpu = whisker::default_device() == whisker::Device::cpu();
  check<UsageError>(config.precision != Precision::bf16 || !on_cpu || has_bf16(),
                    "--precision bf16: this CPU has no bfloat16 instructions (avx512_bf16); "
                    "use --precision f32");
  check<UsageError>(config.precision != Precision::tf32 || !on_cpu,
                    "--precision tf32: only GPUs multiply in TF32; use --precision f32");
  whisker::set_tf32(config.precision == Precision::tf32);
  if (config.threads == 0) config.threads = whisker::kernels::cpu::threads();
  whisker::kernels::cpu::set_threads(config.threads);
  if (on_cpu) check_memory(config);
}

TrainingData load_data_with_bar(const Config& config, Console& console) {
  const char* doing = config.data.empty() ? "drawing cats  " : "reading pictures  ";
  TrainingData data = load_training_data(config, [&](std::size_t done, std::size_t total) {
    throw_if_stopped();
    console.bar(doing, static_cast<std::int64_t>(done), static_cast<std::int64_t>(total));
  });
  console.clear_bar();
  throw_if_stopped();
  return data;
}

}  // namespace catgan
