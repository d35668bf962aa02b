#include <cstdio>
#include <memory>

#include <whisker/kernels/cpu/threads.h>

#include "commands/commands.h"
#include "random_streams.h"
#include "sampling.h"
#include "training/checkpoint.h"
#include "training/run_log.h"
#include "training/session.h"
#include "training/stop_request.h"
#include "training/trainer.h"

namespace catgan {
namespace {

namespace fs = std::filesystem;
using whisker::str;

struct SampleOptions {
  std::string source, out = "cats", statistics = "moving", device = "cpu";
  std::int64_t count = 16;
  std::uint64_t seed = 0;
  int threads = 0;
};

constexpr const char* kFooter = R"(Examples:
  catgan sample runs/00003-demo-cats                          16 pictures to cats/
  catgan sample runs/00003-demo-cats --count 500 --seed 7 --out many
  catgan sample runs/00003-demo-cats/checkpoints/step-00004000.safetensors

Picture i of a seed is the same whatever the count. The averaged generator is used if the run has
one. --bn-stats batch normalises by the pictures that are drawn together, as in training.)";

Checkpoint load(const std::string& source, Console& console) {
  const fs::path path = source, inside = path / "checkpoints";
  std::error_code ignored;  // what cannot be examined is refused with its name when it is opened
  if (!fs::is_directory(path, ignored)) return load_checkpoint(path);
  FoundCheckpoint found = load_newest_checkpoint(fs::is_directory(inside, ignored) ? inside : path);
  for (const std::string& note : found.notes)
    console.line("damaged, so an older one is used: " + note);
  return std::move(found.checkpoint);
}

int sample(const SampleOptions& options) {
  catch_stop_signals();
  Console console;
  if (options.threads > 0) whisker::kernels::cpu::set_threads(options.threads);
  const whisker::DeviceScope device(parse_device_flag(options.device));
  Checkpoint checkpoint = load(options.source, console);
  // Pictures should not depend on what instructions a machine has.
  checkpoint.config.precision = Precision::f32;
  const auto generator = load_generator(checkpoint.config, checkpoint.tensors);
  checkpoint.tensors.clear();
  if (options.statistics == "batch") generator->train();

  const fs::path out = options.out;
  std::error_code error;
  fs::create_directories(out, error);
  whisker::check<whisker::IoError>(!error, out.string(),
                                   ": the folder cannot be made: ", error.message());
  std::vector<Picture> first;
  constexpr std::int64_t kChunk = 256, kGrid = 64;
  for (std::int64_t begin = 0; begin < options.count; begin += kChunk) {
    const auto key = [&](std::int64_t i) {
      return whisker::RandomKey{.seed = options.seed,
                                .stream = kSampleNoiseStream,
                                .step = static_cast<std::uint32_t>(begin + i)};
    };
    const std::int64_t end = std::min(begin + kChunk, options.count);
    const auto pictures = draw_samples(checkpoint.config, *generator, end - begin, key);
    for (std::int64_t i = begin; i < end; ++i) {
      throw_if_stopped();
      const Picture& picture = pictures[static_cast<std::size_t>(i - begin)];
      char name[80];
      std::snprintf(name, sizeof name, "seed%llu-%06lld.png",
                    static_cast<unsigned long long>(options.seed), static_cast<long long>(i));
      write_png(out / name, picture);
      if (i < kGrid) first.push_back(picture);
      console.bar("drawing  " + progress_bar(i + 1, options.count));
    }
  }
  const auto columns = static_cast<int>(std::min<std::int64_t>(8, std::ssize(first)));
  write_png(out / "grid.png", make_grid(first, columns));
  console.line(str(options.count, " pictures of step ", checkpoint.step, " and seed ", options.seed,
                   " in ", out.string(), ", the first of them together in ",
                   (out / "grid.png").string()));
  return 0;
}

}  // namespace

Command sample_command(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("sample", "Draw pictures with a trained generator");
  auto options = std::make_shared<SampleOptions>();
  parser->add_option("RUN", options->source, "a run folder, or one of its checkpoints")->required();
  parser->add_option("--count", options->count, "how many")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10000000}))
      ->type_name("N");
  add_seed_to(*parser, options->seed, "equal seeds give equal pictures");
  parser->add_option("--out", options->out, "folder for the PNG files; default cats")
      ->type_name("DIR");
  parser->add_option("--bn-stats", options->statistics, "moving or batch statistics in batch norm")
      ->check(CLI::IsMember({"moving", "batch"}))
      ->type_name("");
  parser->add_option("--device", options->device, "cpu, the default, auto, cuda or cuda:<index>")
      ->type_name("");
  parser
      ->add_option("--threads", options->threads,
                   "CPU threads; default one for each core that may be used")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  parser->footer(kFooter);
  return {parser, [options] { return sample(*options); }};
}

}  // namespace catgan
