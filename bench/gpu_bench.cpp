#include "gpu_bench.h"

#include <whisker/kernels/check.h>

#ifdef WHISKER_CUDA
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include <whisker/core/atomic_file.h>
#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/random.h>
#include <whisker/kernels/cuda/error.h>
#include <whisker/kernels/cuda/matmul_choice.h>
#include <whisker/kernels/cuda/runtime.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/matmul.h>

#include "gpu_report.h"

namespace whisker_bench {
namespace {

using whisker::Tensor;
using whisker::kernels::MatmulShape;
namespace cuda = whisker::kernels::cuda;
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

std::string to_json(const std::vector<GpuResult>& results, const GpuSetting& setting,
                    const std::string& device) {
  nlohmann::json json = {{"device", device},
                         {"libraries", describe_libraries()},
                         {"dtype", name_of(setting.options.dtype)},
                         {"peak_product", setting.peak.product},
                         {"peak_tflops", setting.peak.tflops},
                         {"peak_gbytes_per_second", setting.peak.gbytes_per_second},
                         {"cases", nlohmann::json::array()}};
  for (const GpuResult& r : results)
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

std::string text_of_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void print_header(const std::string& device, const GpuSetting& setting) {
  std::printf("%s, %s\n%s; peaks: %.1f TFLOP/s (%s, 8192^3), %.0f GB/s (copy)\n", device.c_str(),
              describe_libraries().c_str(), name_of(setting.options.dtype), setting.peak.tflops,
              setting.peak.product.c_str(), setting.peak.gbytes_per_second);
  std::printf("%-36s %-16s %9s  %-14s %6s  %s\n", "case", "kernel", "us", "rate", "peak",
              "NVIDIA's best, its time / ours");
}

}  // namespace

void print_line(const GpuResult& r, const GpuPeak& peak) {
  const bool compute = r.flops > 0.0;
  const double rate = compute ? r.flops / r.microseconds * 1e-6 : r.bytes / r.microseconds * 1e-3;
  const double share = 100.0 * rate / (compute ? peak.tflops : peak.gbytes_per_second);
  std::printf("%-36s %-16s %9.1f  %7.1f %s %5.0f %%", r.name.c_str(), r.kernel.c_str(),
              r.microseconds, rate, compute ? "TFLOP/s" : "GB/s   ", share);
  if (!r.rival.empty())
    std::printf("  %s, %.2f", r.rival.c_str(), r.rival_microseconds / r.microseconds);
  for (const std::string& kernel : r.wrong)
    std::printf("  WRONG: %s", kernel.c_str());
  std::printf("\n");
  std::fflush(stdout);
}

bool is_wanted(const std::string& name, const GpuOptions& options) {
  return name.find(options.filter) != std::string::npos;
}

double distance(const Tensor& a, const Tensor& b) {
  const std::vector<float> actual = cast(a, whisker::Dtype::float32).to_vector<float>();
  const std::vector<float> expected = cast(b, whisker::Dtype::float32).to_vector<float>();
  double difference = 0.0, size = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double e = expected[i], d = actual[i] - e;
    difference += d * d;
    size += e * e;
  }
  return size > 0.0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

double allowed_distance(GpuDtype dtype) {
  // Roundings of results to bfloat16 and of factors to TF32; long sums in float32.
  return dtype == GpuDtype::bfloat16 ? 6e-3 : dtype == GpuDtype::tf32 ? 2e-3 : 2e-5;
}

GpuPeak measure_gpu_peak(GpuDtype dtype, cuda::Context& context, GpuTimer& timer) {
  constexpr int kRounds = 11;
  constexpr std::int64_t kSize = 8192;
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  GpuPeak peak;
  {
    const auto from = context.allocate(kBytes), to = context.allocate(kBytes);
    const double us =
        timer.medians({[&] { cuda::copy_async(from.get(), to.get(), kBytes, context); }}, kRounds)
            .at(0);
    peak.gbytes_per_second = 2.0 * static_cast<double>(kBytes) / us * 1e-3;
  }
  with_element_type(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const MatmulShape shape{kSize, kSize, kSize};
    const auto random = [&](std::uint64_t seed) {
      return cast(whisker::random_uniform({kSize, kSize}, -1, 1, {.seed = seed}),
                  whisker::dtype_of<T>);
    };
    const Tensor a = random(1), b = random(2);
    Tensor c = Tensor::empty({kSize, kSize}, whisker::dtype_of<T>);
    const T *a_data = a.kernel_data<T>(), *b_data = b.kernel_data<T>();
    T* c_data = c.kernel_mutable_data<T>();
    Body product = [&] {
      cuda::matmul(cuda::Backend::own, a_data, b_data, c_data, shape, context);
    };
    peak.product = "our own product";
    if constexpr (cudnn::kWithCudnn) {
      if (cudnn::cublas_available()) {
        product = [&] { cudnn::matmul(a_data, b_data, c_data, shape, context); };
        peak.product = "cuBLAS";
      }
    }
    peak.tflops = shape.flops() / timer.medians({product}, kRounds).at(0) * 1e-6;
  });
  return peak;
}

bool bench_gpu(const std::vector<ConvCase>& convolutions, const GpuOptions& options) {
  const whisker::NoGrad no_grad;
  const whisker::DeviceScope scope(whisker::parse_device("cuda"));
  whisker::set_tf32(options.dtype == GpuDtype::tf32);
  cuda::Context& context = whisker::cuda_context(0);
  const std::string device = cuda::device_properties(0).name;
  GpuTimer timer(context);
  const GpuSetting setting{options, context, timer,
                           measure_gpu_peak(options.dtype, context, timer)};
  print_header(device, setting);

  // Malformed tables are refused before hours are spent on a new one.
  const std::string old_table = options.tune_path.empty() ? "" : text_of_file(options.tune_path);
  whisker::Tuning tuned;
  if (!old_table.empty()) tuned = whisker::parse_tuning(old_table, device, options.tune_path);
  std::vector<GpuResult> results;
  const auto add = [&](const std::vector<GpuResult>& more) {
    results.insert(results.end(), more.begin(), more.end());
  };
  for (const ConvCase& c : convolutions)
    add(bench_gpu_convolution(c, setting, tuned.conv2d));
  if (!options.tune_path.empty()) add(bench_gpu_backends(convolutions, setting, tuned));
  add(bench_gpu_others(setting));
  whisker::check<whisker::InputError>(!results.empty(), "--filter ", options.filter,
                                      ": no case has this in its name");

  if (!options.tune_path.empty()) {
    // Of two rows for one problem the later counts when the table is read.
    whisker::write_file_atomically(
        options.tune_path, whisker::replace_tuning(old_table, device, tuned, options.tune_path));
  }
  if (!options.json_path.empty())
    whisker::write_file_atomically(options.json_path, to_json(results, setting, device));
  return std::all_of(results.begin(), results.end(),
                     [](const GpuResult& r) { return r.wrong.empty(); });
}

}  // namespace whisker_bench

#else

namespace whisker_bench {

bool bench_gpu(const std::vector<ConvCase>&, const GpuOptions&) {
  throw whisker::Error(
      "this build has no CUDA; configure with -D WHISKER_CUDA=native, or give --device cpu");
}

}  // namespace whisker_bench

#endif  // WHISKER_CUDA
