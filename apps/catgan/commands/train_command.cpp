#include <memory>

#include <whisker/core/atomic_file.h>

#include "commands/commands.h"
#include "commands/config_flags.h"
#include "training/run_folder.h"
#include "training/session.h"
#include "training/stop_request.h"
#include "training/training_run.h"

namespace catgan {
namespace {

struct TrainOptions {
  ConfigFlags flags;
  std::string out;
};

constexpr const char* kFooter = R"(Examples:
  catgan train                                  draw cats and learn them: a few minutes
  catgan train --data ~/cats                    learn a folder of pictures
  catgan train --data ~/cats --preset recommended --batch 16
  catgan train --out my-run --steps 500         to my-run instead of runs/NNNNN-...

The run folder explains itself in README.txt: settings, log, statistics, sample grids and
checkpoints. Ctrl-C finishes the step, saves and ends; `catgan resume RUN` goes on bit for bit.
A second Ctrl-C ends at once; the checkpoints stay as they are.

Settings not given are those of the preset; `catgan config --preset NAME` prints them.

Environment, for GPUs; docs/environment.md has all:
  WHISKER_GRAPH=off     run every step anew instead of recording it once as a CUDA graph
  WHISKER_CONV=own      convolutions by whisker's kernels alone, =cudnn by cuDNN's, =auto by choice
  WHISKER_NORM=own      the same of batch norm
  WHISKER_MATMUL=own    the same of dense layers, =cublas by cuBLAS
  WHISKER_TUNING=FILE   the fastest kernels by shape, as `whisker_bench --tune FILE` wrote them)";

int train(const TrainOptions& options) {
  Config config = options.flags.config();
  catch_stop_signals();
  const MachineScope machine(config);
  Console console;
  const TrainingData data = load_data_with_bar(config, console);
  const RunFolder folder = RunFolder::create(config, options.out);
  whisker::write_file_atomically(folder.config_file(), to_json(config));
  RunLog log(console, folder.log_file());
  log.line("run folder: " + folder.path().string());
  log.line(data.summary.substr(0, data.summary.find_last_not_of('\n') + 1));
  for (const std::string& note : data.notes)
    log.line(note);
  return run_training(config, folder, log, data, std::nullopt);
}

}  // namespace

Command train_command(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("train", "Train on drawn cats, or on a folder of pictures");
  auto options = std::make_shared<TrainOptions>();
  parser->add_option("--out", options->out, "run folder; default runs/NNNNN-PRESET-DATA")
      ->type_name("DIR");
  options->flags.add_all_to(*parser);
  parser->footer(kFooter);
  return {parser, [options] { return train(*options); }};
}

}  // namespace catgan
