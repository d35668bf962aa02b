#include "bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include <whisker/core/memory_pool.h>
#include <whisker/core/ops/matmul.h>
#include <whisker/core/random.h>
#include <whisker/kernels/cpu/implementations.h>
#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/cpu/threads.h>

namespace whisker_bench {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

double median_of_calls(const std::function<void()>& body, int calls) {
  std::vector<double> times;
  for (int i = 0; i < calls; ++i) {
    const auto start = Clock::now();
    body();
    times.push_back(ms_since(start));
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

double median_ms(const std::function<void()>& body, double seconds) {
  body();  // makes primitives and fills the memory pool
  const double once = median_of_calls(body, 1);
  return median_of_calls(body, static_cast<int>(std::clamp(seconds * 1e3 / once, 5.0, 1000.0)));
}

Peak measure_peak() {
  constexpr std::int64_t kSize = 2048;
  const auto a = whisker::random_uniform({kSize, kSize}, -1, 1, {.seed = 1});
  const auto b = whisker::random_uniform({kSize, kSize}, -1, 1, {.seed = 2});
  const double product_ms = median_ms([&] { whisker::matmul(a, b); }, 1.0);

  constexpr std::int64_t kBytes = std::int64_t{256} << 20;
  const auto from = whisker::Tensor::zeros({kBytes}, whisker::Dtype::uint8);
  auto to = whisker::Tensor::zeros({kBytes}, whisker::Dtype::uint8);
  const double copy_ms = median_ms([&] {
    auto* out = to.mutable_data<std::uint8_t>();
    const auto* in = from.data<std::uint8_t>();
    whisker::kernels::cpu::parallel_for(kBytes, 1 << 20, [=](std::int64_t begin, std::int64_t end) {
      std::memcpy(out + begin, in + begin, static_cast<std::size_t>(end - begin));
    });
  });
  return {.gflops = 2.0 * kSize * kSize * kSize / product_ms * 1e-6,
          .gbytes_per_second = 2.0 * kBytes / copy_ms * 1e-6};
}

void print_line(const Measurement& m, const Peak& peak) {
  const bool compute = m.flops > 0.0;
  const double rate = (compute ? m.flops : m.bytes) / m.milliseconds * 1e-6;
  const double share = rate / (compute ? peak.gflops : peak.gbytes_per_second);
  std::printf("%-44s %9.3f ms %8.1f %s %5.0f %%\n", m.name.c_str(), m.milliseconds, rate,
              compute ? "GFLOP/s" : "GB/s   ", 100.0 * share);
  std::fflush(stdout);
}

std::string to_json(const std::vector<Measurement>& measurements, const Peak& peak) {
  nlohmann::json json = {{"threads", whisker::kernels::cpu::threads()},
                         {"instruction_set", whisker::kernels::cpu::instruction_set()},
                         {"peak_gflops", peak.gflops},
                         {"peak_gbytes_per_second", peak.gbytes_per_second}};
  for (const Measurement& m : measurements)
    json["cases"].push_back({{"name", m.name},
                             {"milliseconds", m.milliseconds},
                             {"flops", m.flops},
                             {"bytes", m.bytes}});
  return json.dump(2);
}

}  // namespace whisker_bench
