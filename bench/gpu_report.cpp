#ifdef WHISKER_CUDA
#include "gpu_report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include <whisker/core/atomic_file.h>
#include <whisker/kernels/cudnn/availability.h>

namespace whisker_bench {
namespace {

namespace cudnn = whisker::kernels::cudnn;

const char* name_of(GpuDtype dtype) {
  switch (dtype) {
    case GpuDtype::float32:
      return "float32";
    case GpuDtype::tf32:
      return "tf32";
    case GpuDtype::bfloat16:
      break;
  }
  return "bfloat16";
}

std::string describe_libraries() {
  if constexpr (cudnn::kWithCudnn) return cudnn::describe_cudnn() + "; " + cudnn::describe_cublas();
  return "built without cuDNN and cuBLAS";
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

GpuReport::GpuReport(const GpuOptions& options, std::string device, const GpuPeak& peak)
    : options_(options), device_(std::move(device)), peak_(peak) {
  print_header();
  if (options.tune_path.empty()) return;
  // Malformed tables are refused before hours are spent on a new one.
  old_table_ = text_of_file(options.tune_path);
  if (!old_table_.empty()) tuned_ = whisker::parse_tuning(old_table_, device_, options.tune_path);
}

void GpuReport::add(const GpuResult& result) {
  results_.push_back(result);
  print_line(result);
  if (!options_.tune_path.empty())
    whisker::write_file_atomically(
        options_.tune_path,
        whisker::replace_tuning(old_table_, device_, tuned_, options_.tune_path));
  if (!options_.json_path.empty()) whisker::write_file_atomically(options_.json_path, to_json());
}

bool GpuReport::is_all_right() const {
  return std::all_of(results_.begin(), results_.end(),
                     [](const GpuResult& r) { return r.wrong.empty(); });
}

std::string GpuReport::to_json() const {
  nlohmann::json json = {{"device", device_},
                         {"simulated", whisker::kSimulated},
                         {"libraries", describe_libraries()},
                         {"dtype", name_of(options_.dtype)},
                         {"peak_product", peak_.product},
                         {"peak_tflops", peak_.tflops},
                         {"peak_gbytes_per_second", peak_.gbytes_per_second},
                         {"cases", nlohmann::json::array()}};
  for (const GpuResult& r : results_)
    json["cases"].push_back({{"name", r.name},
                             {"kernel", r.kernel},
                             {"microseconds", r.microseconds},
                             {"flops", r.flops},
                             {"bytes", r.bytes},
                             {"rival", r.rival},
                             {"rival_microseconds", r.rival_microseconds},
                             {"wrong", r.wrong}});
  return json.dump(2) + "\n";
}

void GpuReport::print_header() const {
  if (whisker::kSimulated)
    std::printf("the simulator's times on this CPU, which say nothing about any GPU:\n");
  const auto size = static_cast<long long>(options_.product_size);
  std::printf("%s, %s\n%s; peaks: %.3g TFLOP/s (%s, %lld^3), %.3g GB/s (copy of %lld MiB)\n",
              device_.c_str(), describe_libraries().c_str(), name_of(options_.dtype), peak_.tflops,
              peak_.product.c_str(), size, peak_.gbytes_per_second,
              static_cast<long long>(options_.copy_mib));
  std::printf("%-48s %-16s %9s  %-14s %6s  %s\n", "case", "kernel", "us", "rate", "peak",
              "NVIDIA's best, its time / ours");
}

void GpuReport::print_line(const GpuResult& r) const {
  std::printf("%-48s %-16s", r.name.c_str(), r.kernel.c_str());
  if (r.microseconds > 0.0) {
    const bool compute = r.flops > 0.0;
    const double rate = compute ? r.flops / r.microseconds * 1e-6 : r.bytes / r.microseconds * 1e-3;
    const double share = 100.0 * rate / (compute ? peak_.tflops : peak_.gbytes_per_second);
    std::printf(" %9.1f  %7.1f %s %5.0f %%", r.microseconds, rate, compute ? "TFLOP/s" : "GB/s   ",
                share);
  }
  if (r.rival_microseconds > 0.0)
    std::printf("  %s, %.2f", r.rival.c_str(), r.rival_microseconds / r.microseconds);
  for (const std::string& kernel : r.wrong)
    std::printf("  WRONG: %s", kernel.c_str());
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace whisker_bench
#endif  // WHISKER_CUDA
