// Kernels that memory alone limits: run on the GPU and on the CPU, compared, and timed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <whisker/core/backend.h>

#include "gpu_compare.h"
#include "gpu_report.h"

namespace whisker_bench {

/// What NVIDIA's library does of a case, and where it writes the first of the case's results.
struct Rival {
  Body body;
  whisker::Tensor result;
};

/// What a kernel does to its results: one that updates them needs their old values.
enum class Writes { all, updates };

/// Cases on one struct of tensors. make() is called once for each device, as the default one, and
/// not before a case passes the filter.
template <class Arrays>
class MemoryBench {
 public:
  MemoryBench(const GpuSetting& setting, GpuDtype dtype, std::function<Arrays()> make)
      : setting_(setting), dtype_(dtype), make_(std::move(make)) {}

  /// kernel(arrays, context) runs on either device. bytes: that must be moved at the least.
  /// make_rival(arrays) may return a Rival without a body.
  template <class Kernel>
  void bench(const std::string& name, double bytes, const Kernel& kernel,
             const std::vector<whisker::Tensor Arrays::*>& results, Writes writes = Writes::all,
             const std::function<Rival(Arrays&)>& make_rival = {}) {
    if (!setting_.wants(name)) return;
    if (!gpu_ || writes == Writes::updates) {
      gpu_.emplace(made_on(setting_.options.device));
      cpu_.emplace(made_on(whisker::Device::cpu()));
    }
    GpuResult result{.name = name, .kernel = "own", .bytes = bytes};
    if (writes == Writes::all)
      for (const auto tensor : results)
        spoil(*gpu_.*tensor);
    const Body on_gpu = [&] { kernel(*gpu_, setting_.context); };
    on_gpu();
    kernel(*cpu_, whisker::cpu_context());
    for (const auto tensor : results)
      check("own", *gpu_.*tensor, *cpu_.*tensor, result);

    std::vector<Body> bodies{on_gpu};
    const Rival rival = make_rival ? make_rival(*gpu_) : Rival{};
    if (rival.body) {
      rival.body();
      if (check("cuDNN", rival.result, *cpu_.*results.at(0), result)) {
        result.rival = "cuDNN";
        bodies.push_back(rival.body);
      }
    }
    const std::vector<double> times = setting_.timer.medians(bodies, setting_.options.rounds);
    result.microseconds = times[0];
    if (times.size() > 1) result.rival_microseconds = times[1];
    setting_.report.add(result);
  }

 private:
  Arrays made_on(whisker::Device device) const {
    const whisker::DeviceScope scope(device);
    return make_();
  }
  bool check(const char* whose, const whisker::Tensor& actual, const whisker::Tensor& expected,
             GpuResult& result) const {
    const std::string off = difference(values_of(actual), values_of(expected), tolerance(dtype_));
    if (!off.empty()) result.wrong.push_back(std::string(whose) + " is " + off);
    return off.empty();
  }

  const GpuSetting& setting_;
  GpuDtype dtype_;
  std::function<Arrays()> make_;
  std::optional<Arrays> gpu_, cpu_;
};

}  // namespace whisker_bench
