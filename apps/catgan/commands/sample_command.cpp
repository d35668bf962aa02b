#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include <whisker/core/atomic_file.h>
#include <whisker/core/folder_entries.h>
#include <whisker/kernels/cpu/threads.h>

#include "commands/commands.h"
#include "pictures/content_hash.h"
#include "random_streams.h"
#include "sampling.h"
#include "training/checkpoint.h"
#include "training/run_folder.h"
#include "training/run_log.h"
#include "training/session.h"
#include "training/stop_request.h"
#include "training/trainer.h"

namespace catgan {
namespace {

namespace fs = std::filesystem;
using whisker::check;
using whisker::str;

struct SampleOptions {
  std::string source, out, statistics = "moving", device = "cpu";
  std::int64_t count = 16;
  std::uint64_t seed = 0;
  int threads = 0;
};

constexpr const char* kFooter = R"(Examples:
  catgan sample runs/00003-demo-cats                          16 pictures to
      runs/00003-demo-cats/pictures/step-00004000-seed0/
  catgan sample runs/00003-demo-cats --count 500 --seed 7 --out many
  catgan sample runs/00003-demo-cats/checkpoints/step-00004000.safetensors

Picture i of a seed is the same whatever the count. The averaged generator is used if the run has
one. --bn-stats batch normalises by the pictures that are drawn together, as in training.

A folder never mixes pictures of two checkpoints or seeds: --out names a new or empty folder, or
one that the same command began (sampling.json in it says which), which is completed then.)";

bool is_folder(const fs::path& path) {
  std::error_code error;
  const bool found = fs::is_directory(path, error);
  check<whisker::IoError>(!error || error == std::errc::no_such_file_or_directory, path.string(),
                          ": cannot open: ", error.message());
  return found;
}

Checkpoint load(const std::string& source, Console& console) {
  const fs::path path = source, inside = path / "checkpoints";
  if (!is_folder(path)) return load_checkpoint(path);
  FoundCheckpoint found = load_newest_checkpoint(is_folder(inside) ? inside : path);
  for (const std::string& note : found.notes)
    console.line("damaged, so an older one is used: " + note);
  return std::move(found.checkpoint);
}

/// RUN/pictures/step-00004000-seed0 if the source is a run, its checkpoints or one of these; of
/// another checkpoint a folder beside it.
fs::path default_folder(const SampleOptions& options, std::int64_t step) {
  fs::path source = fs::absolute(options.source).lexically_normal();
  if (!source.has_filename()) source = source.parent_path();
  char name[80];
  std::snprintf(name, sizeof name, "step-%08lld-seed%llu%s", static_cast<long long>(step),
                static_cast<unsigned long long>(options.seed),
                options.statistics == "batch" ? "-batch" : "");
  const bool is_file = !is_folder(source);
  const fs::path folder = is_file ? source.parent_path() : source;
  fs::path result;
  if (folder.filename() == "checkpoints") {
    result = folder.parent_path() / "pictures" / name;
  } else if (is_file) {
    result = folder / (source.stem().string() + "-pictures") / name;
  } else {
    result = folder / "pictures" / name;
  }
  return fs::path(options.source).is_absolute() ? result
                                                : result.lexically_proximate(fs::current_path());
}

/// A fingerprint of all that decides what the generator draws from a seed.
std::uint64_t fingerprint_of(const Config& config, whisker::nn::Module& generator) {
  const std::string settings = to_json(config);
  std::uint64_t hash =
      content_hash({reinterpret_cast<const std::uint8_t*>(settings.data()), settings.size()});
  for (const auto& [name, tensor] : generator.state_dict()) {
    const whisker::Tensor host = tensor.to(whisker::Device::cpu());
    hash =
        content_hash({reinterpret_cast<const std::uint8_t*>(host.raw_data()), host.bytes()}, hash);
  }
  return hash;
}

/// What sampling.json says; equal texts mean equal pictures.
std::string describe_sampling(const SampleOptions& options, std::int64_t step,
                              std::uint64_t generator) {
  char hash[24];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(generator));
  const nlohmann::ordered_json json{{"step", step},
                                    {"seed", options.seed},
                                    {"bn_stats", options.statistics},
                                    {"generator", hash}};
  return json.dump(2) + "\n";
}

/// Makes the folder, or finds that the same sampling has begun it; throws UsageError if it holds
/// anything else.
void claim_folder(const fs::path& out, const std::string& sampling) {
  std::error_code error;
  fs::create_directories(out, error);
  check<whisker::IoError>(
      !error && fs::is_directory(out), out.string(),
      ": the folder cannot be made: ", error ? error.message() : std::string("a file is there"));
  const fs::path note = out / "sampling.json";
  const std::vector<std::string> entries = whisker::folder_entries(out);
  // A sampling that was killed before its note stood leaves the note's temporary file alone.
  const bool only_begun = std::all_of(entries.begin(), entries.end(), [](const std::string& name) {
    return name.starts_with("sampling.json.") && name.ends_with(".tmp");
  });
  check<UsageError>(
      only_begun || (fs::exists(note) && read_text_file(note) == sampling), "--out: ", out.string(),
      " holds other files than those of this checkpoint and seed; name a new ", "folder");
  whisker::remove_stale_temporaries(out);
  if (only_begun) whisker::write_file_atomically(note, sampling);
}

int sample(const SampleOptions& options) {
  catch_stop_signals();
  Console console;
  if (options.threads > 0) whisker::kernels::cpu::set_threads(options.threads);
  const whisker::DeviceScope device(parse_device_flag(options.device));
  Checkpoint checkpoint = load(options.source, console);
  // Pictures should not depend on what instructions a machine has.
  checkpoint.config.precision = Precision::f32;
  const auto generator = load_generator(checkpoint.config, checkpoint.tensors, options.source);
  checkpoint.tensors.clear();
  if (options.statistics == "batch") generator->train();

  const fs::path out =
      options.out.empty() ? default_folder(options, checkpoint.step) : fs::path(options.out);
  claim_folder(out, describe_sampling(options, checkpoint.step,
                                      fingerprint_of(checkpoint.config, *generator)));
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
      console.bar("drawing  ", i + 1, options.count);
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
  parser->add_option("--out", options->out, "folder for the PNG files; default in the run folder")
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
