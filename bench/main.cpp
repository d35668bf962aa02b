// whisker_bench: one line per case with time, rate and share of what this machine can do.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include <whisker/core/atomic_file.h>
#include <whisker/core/device.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/cpu/implementations.h>
#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/cpu/threads.h>

#include "bench.h"
#include "gpu_bench.h"

namespace whisker_bench {
namespace {

using whisker::check;
using whisker::InputError;

constexpr const char* kFooter = R"(Without a GPU it says so and times the CPU.

Environment, for GPUs; docs/environment.md has all:
  WHISKER_TUNING=FILE   time what an earlier --tune FILE found to be the fastest of ours

Exit codes: 0 done, 1 a kernel's result is wrong or something failed, 2 usage, a device that is not
there included, 3 bad input or a filter that no case passes, 4 input or output failed, 5 out of
memory.)";

struct Options {
  int batch = 0, size = 128, divide = 1, threads = 0, steps = 10;
  std::string filter, json_path, preset, device = "auto", dtype;
  std::vector<std::string> shapes;
  GpuOptions gpu;
};

void add_options(CLI::App& app, Options& o) {
  app.footer(kFooter);
  app.add_option("--device", o.device, "auto: a GPU if there is one; cpu; cuda; or cuda:1, ...");
  app.add_option("--batch", o.batch, "pictures per batch; default 64 on a GPU, 8 on the CPU")
      ->check(CLI::PositiveNumber);
  app.add_option("--shape", o.shapes,
                 "time this convolution instead of the article's; may be given several times")
      ->type_name("N,H,W,C,O,R,S,stride[,top,bottom,left,right]");
  app.add_option("--dtype", o.dtype,
                 "what products are of; default bfloat16 on a GPU, float32 on the CPU")
      ->check(CLI::IsMember({"float32", "tf32", "bfloat16"}));
  app.add_option(
      "--tune", o.gpu.tune_path,
      "GPU: time all kernels, cuDNN's and cuBLAS's too, and write the fastest right ones "
      "to this file for WHISKER_TUNING");
  app.add_option("--rounds", o.gpu.rounds, "GPU: times that each kernel runs")
      ->check(CLI::PositiveNumber);
  app.add_option("--product", o.gpu.product_size,
                 "GPU: rows and columns of the matrices whose product is called its peak")
      ->check(CLI::Range(1, 1 << 15));
  app.add_option("--copy", o.gpu.copy_mib, "GPU: MiB whose copy is called its peak")
      ->check(CLI::Range(1, 1 << 15));
  app.add_option("--flush", o.gpu.flush_mib, "GPU: MiB that are written to empty L2; several L2")
      ->check(CLI::Range(1, 1 << 15));
  app.add_option("--size", o.size, "picture side in pixels")->check(CLI::Range(16, 1024));
  app.add_option("--divide-widths", o.divide, "divide the article's widths by this")
      ->check(CLI::PositiveNumber);
  app.add_option("--filter", o.filter, "only cases whose name contains this");
  app.add_option("--threads", o.threads, "CPU: threads, 0 for all cores")
      ->check(CLI::NonNegativeNumber);
  CLI::Option* json = app.add_option("--json", o.json_path, "also write the figures to this file");
  app.add_option("--train", o.preset, "time the CPU at training steps of this catgan preset")
      ->check(CLI::IsMember({"demo", "article", "recommended"}))
      ->excludes(json);
  app.add_option("--steps", o.steps, "with --train: steps that are timed")
      ->check(CLI::PositiveNumber);
}

/// Why this device cannot be used, empty if it can.
std::string problem_of(const std::string& device) {
  try {
    whisker::parse_device(device);
    return {};
  } catch (const InputError& error) {
    return error.what();
  }
}

/// Fills in what was left open, and says whether the GPU is timed. Throws InputError.
bool resolve(Options& o) {
  check<InputError>(o.preset.empty() || o.device == "auto" || o.device == "cpu",
                    "--train times the CPU; on a GPU, catgan train prints its img/s");
  const std::string problem =
      o.preset.empty() ? problem_of(o.device == "auto" ? "cuda" : o.device) : "";
  check<InputError>(problem.empty() || o.device == "auto", "--", problem);
  const whisker::Device device = whisker::parse_device(o.preset.empty() ? o.device : "cpu");
  const bool on_gpu = device != whisker::Device::cpu();
  check<InputError>(on_gpu || o.gpu.tune_path.empty(), "--tune needs a GPU",
                    problem.empty() ? "" : "; ", problem);
  if (!problem.empty()) std::printf("skipped the GPU's kernels: %s\n", problem.c_str());
  if (o.dtype.empty()) o.dtype = on_gpu ? "bfloat16" : "float32";
  check<InputError>(on_gpu || o.dtype != "tf32", "--dtype tf32: only GPUs multiply in TF32");
  if (o.batch == 0) o.batch = on_gpu ? 64 : 8;
  o.gpu.device = device;
  return on_gpu;
}

std::vector<ConvCase> cases_of(const Options& o) {
  std::vector<ConvCase> cases;
  for (const std::string& shape : o.shapes)
    cases.push_back(parse_convolution(shape));
  return o.shapes.empty() ? article_convolutions(o.batch, o.size, o.divide) : cases;
}

int time_gpu(const std::vector<ConvCase>& cases, const Options& o) {
  GpuOptions options = o.gpu;
  options.dtype = o.dtype == "float32" ? GpuDtype::float32
                  : o.dtype == "tf32"  ? GpuDtype::tf32
                                       : GpuDtype::bfloat16;
  options.filter = o.filter;
  options.json_path = o.json_path;
  options.batch = o.batch;
  options.image_size = o.size;
  options.divide_widths = o.divide;
  return bench_gpu(cases, options) ? 0 : 1;
}

int time_training(const Options& o) {
  const TrainMeasurement m = bench_training(o.preset, o.batch, o.dtype == "bfloat16", o.steps);
  std::printf("%s batch %d: %.1f ms a step, %.1f img/s, peak %.0f MB\n", o.preset.c_str(), o.batch,
              m.milliseconds, o.batch / m.milliseconds * 1e3, m.peak_rss_mb);
  return 0;
}

int time_cpu(const std::vector<ConvCase>& cases, const Options& o) {
  const Peak peak = measure_peak();
  std::printf("%d threads, %s; peaks: %.0f GFLOP/s (matrix product 2048^3), %.0f GB/s (copy)\n",
              whisker::kernels::cpu::threads(), whisker::kernels::cpu::instruction_set().c_str(),
              peak.gflops, peak.gbytes_per_second);
  const auto results = bench_convolutions(cases, o.filter, o.dtype == "bfloat16", peak);
  check<InputError>(!results.empty(), "--filter ", o.filter, ": no case has this in its name");
  double ms = 0.0, flops = 0.0;
  for (const Measurement& m : results) {
    ms += m.milliseconds;
    flops += m.flops;
  }
  print_line({.name = "sum", .milliseconds = ms, .flops = flops}, peak);
  if (!o.json_path.empty())
    whisker::write_file_atomically(o.json_path, to_json(results, peak) + "\n");
  return 0;
}

int fail(int code, const char* what) {
  std::fprintf(stderr, "whisker_bench: %s\n", what);
  return code;
}

int run(const Options& o, bool on_gpu, const std::vector<ConvCase>& cases) {
  if (on_gpu) return time_gpu(cases, o);
  if (o.threads > 0) whisker::kernels::cpu::set_threads(o.threads);
  for (const char* name : {"OPENBLAS_CORETYPE", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"})
    if (const char* value = std::getenv(name)) std::printf("note: %s=%s is set\n", name, value);
  return o.preset.empty() ? time_cpu(cases, o) : time_training(o);
}

}  // namespace
}  // namespace whisker_bench

int main(int argc, char** argv) {
  using namespace whisker_bench;
  CLI::App app("Times whisker's kernels on the layers of the article's DCGAN.", "whisker_bench");
  Options options;
  add_options(app, options);
  bool on_gpu = false;
  std::vector<ConvCase> cases;
  try {
    app.parse(argc, argv);
    on_gpu = resolve(options);
    cases = cases_of(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // help is an "error", too
  } catch (const whisker::Error& error) {
    return fail(2, error.what());
  }
  try {
    return run(options, on_gpu, cases);
  } catch (const InputError& error) {
    return fail(3, error.what());
  } catch (const whisker::IoError& error) {
    return fail(4, error.what());
  } catch (const whisker::OutOfMemory& error) {
    return fail(5, error.what());
  } catch (const std::bad_alloc&) {
    return fail(5, "out of memory; a smaller --batch or --size needs less");
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}
