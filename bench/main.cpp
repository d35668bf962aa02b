// whisker_bench: one line per case with time, rate and share of what this machine can do.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <whisker/core/device.h>
#include <whisker/kernels/cpu/implementations.h>
#include <whisker/kernels/cpu/parallel.h>
#include <whisker/kernels/cpu/threads.h>

#include "bench.h"
#include "gpu_bench.h"

int main(int argc, char** argv) {
  using namespace whisker_bench;
  CLI::App app("Times whisker's kernels on the layers of the article's DCGAN.");
  int batch = 0, size = 128, divide = 1, threads = 0;
  int steps = 10;
  bool bfloat16 = false;
  std::string filter, json_path, preset;
  std::string device = "auto", dtype = "bfloat16";
  std::vector<std::string> shapes;
  GpuOptions gpu;
  app.add_option("--device", device, "auto: a GPU if there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--batch", batch, "pictures per batch; default 64 on a GPU, 8 on the CPU")
      ->check(CLI::PositiveNumber);
  app.add_option("--shape", shapes,
                 "time this convolution instead of the article's; may be given several times")
      ->type_name("N,H,W,C,O,R,S,stride[,top,bottom,left,right]");
  app.add_option("--dtype", dtype, "GPU: what products are of")
      ->check(CLI::IsMember({"float32", "tf32", "bfloat16"}));
  app.add_option("--tune", gpu.tune_path,
                 "GPU: time every tile and write the fastest to this file for WHISKER_TUNING");
  app.add_option("--rounds", gpu.rounds, "GPU: times that each kernel runs")
      ->check(CLI::PositiveNumber);
  app.add_option("--size", size, "picture side in pixels")->check(CLI::Range(16, 1024));
  app.add_option("--divide-widths", divide, "divide the article's widths by this")
      ->check(CLI::PositiveNumber);
  app.add_option("--filter", filter, "only cases whose name contains this");
  app.add_option("--threads", threads, "threads, 0 for all cores")->check(CLI::NonNegativeNumber);
  app.add_option("--train", preset, "time whole training steps of this catgan preset instead")
      ->check(CLI::IsMember({"demo", "article", "recommended"}));
  app.add_option("--steps", steps, "with --train: steps that are timed")
      ->check(CLI::PositiveNumber);
  app.add_flag("--bf16", bfloat16, "CPU: bfloat16 activations");
  app.add_option("--json", json_path, "also write the figures to this file");
  CLI11_PARSE(app, argc, argv);

  try {
    const bool on_gpu =
        preset.empty() && (device == "cuda" || (device == "auto" && whisker::cuda_device_count()));
    if (batch == 0) batch = on_gpu ? 64 : 8;
    std::vector<ConvCase> cases;
    for (const std::string& shape : shapes)
      cases.push_back(parse_convolution(shape));
    if (shapes.empty()) cases = article_convolutions(batch, size, divide);
    if (on_gpu) {
      gpu.dtype = dtype == "float32" ? GpuDtype::float32
                  : dtype == "tf32"  ? GpuDtype::tf32
                                     : GpuDtype::bfloat16;
      gpu.filter = filter;
      gpu.json_path = json_path;
      return bench_gpu(cases, gpu) ? 0 : 1;
    }
    if (device == "auto" && preset.empty()) std::printf("no GPU is usable here: CPU kernels\n");
    if (threads > 0) whisker::kernels::cpu::set_threads(threads);
    for (const char* name : {"OPENBLAS_CORETYPE", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"})
      if (const char* value = std::getenv(name)) std::printf("note: %s=%s is set\n", name, value);
    if (!preset.empty()) {
      const TrainMeasurement m = bench_training(preset, batch, bfloat16, steps);
      std::printf("%s batch %d: %.1f ms a step, %.1f img/s, peak %.0f MB\n", preset.c_str(), batch,
                  m.milliseconds, batch / m.milliseconds * 1e3, m.peak_rss_mb);
      return 0;
    }
    const Peak peak = measure_peak();
    std::printf("%d threads, %s; peaks: %.0f GFLOP/s (matrix product 2048^3), %.0f GB/s (copy)\n",
                whisker::kernels::cpu::threads(), whisker::kernels::cpu::instruction_set().c_str(),
                peak.gflops, peak.gbytes_per_second);
    const auto results = bench_convolutions(cases, filter, bfloat16, peak);
    double ms = 0.0, flops = 0.0;
    for (const Measurement& m : results) {
      ms += m.milliseconds;
      flops += m.flops;
    }
    print_line({.name = "sum", .milliseconds = ms, .flops = flops}, peak);
    if (!json_path.empty()) {
      std::ofstream file(json_path);
      file << to_json(results, peak) << "\n";
      if (!file.flush()) {
        std::fprintf(stderr, "bench: cannot write %s\n", json_path.c_str());
        return 4;
      }
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench: %s\n", e.what());
    return 1;
  }
}
