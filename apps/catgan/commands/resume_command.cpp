#include <algorithm>
#include <memory>
#include <system_error>
#include <utility>

#include <whisker/core/atomic_file.h>

#include "commands/commands.h"
#include "commands/config_flags.h"
#include "terminal_text.h"
#include "training/finite.h"
#include "training/run_folder.h"
#include "training/session.h"
#include "training/stop_request.h"
#include "training/trainer.h"
#include "training/training_run.h"

namespace catgan {
namespace {

using whisker::check;
using whisker::str;

struct ResumeOptions {
  ConfigFlags flags;
  std::string run;
  bool accept_changed_data = false;
};

constexpr const char* kFooter = R"(Examples:
  catgan resume runs/00003-demo-cats                 go on to the end
  catgan resume runs/00003-demo-cats --steps 20000   and further than planned

No other flag is needed. The weights after N steps are the same bits whether a run was interrupted
or not, with any number of threads. Flags that change what a step does are refused.
A run that was killed in its last moments gets what it lacks: its last grid, the end of its log.
If the newest checkpoint is damaged, the one before is used, and the bad one renamed to .bad.)";

/// The settings of a run folder, and the checkpoint to start from if there is one.
struct SavedRun {
  Config config;
  std::optional<Checkpoint> checkpoint;
  std::filesystem::path source;  // of the checkpoint
  std::vector<std::string> notes;
};

void set_aside(const std::filesystem::path& damaged) {
  std::filesystem::path aside = damaged;
  aside += ".bad";
  std::error_code error;
  std::filesystem::rename(damaged, aside, error);
  check<whisker::IoError>(!error, damaged.string(), ": cannot be renamed: ", error.message());
}

SavedRun load_run(const RunFolder& folder) {
  SavedRun saved;
  const bool has_config = std::filesystem::exists(folder.config_file());
  if (has_config)
    saved.config =
        config_from_json(read_text_file(folder.config_file()), folder.config_file().string());
  if (list_checkpoints(folder.checkpoints()).empty()) {
    check<whisker::InputError>(has_config, folder.path().string(), ": has no checkpoint and no ",
                               "config.json, so there is nothing to resume; use catgan train");
    saved.notes.push_back("there is no checkpoint yet: training begins at step 0");
    return saved;
  }
  FoundCheckpoint found = load_newest_checkpoint(folder.checkpoints());
  for (std::size_t i = 0; i < found.damaged.size(); ++i) {
    set_aside(found.damaged[i]);
    saved.notes.push_back("damaged, renamed to .bad: " + found.notes[i]);
  }
  if (!has_config) {
    saved.config = found.checkpoint.config;
    saved.notes.push_back("config.json is gone: the settings are those of the checkpoint");
  }
  saved.checkpoint = std::move(found.checkpoint);
  saved.source = found.path;
  return saved;
}

/// Before anything is allocated for it.
void check_checkpoint(const Checkpoint& checkpoint, const std::filesystem::path& source) {
  try {
    check_nets(checkpoint.config, checkpoint.tensors);
    check_finite(checkpoint.tensors, "the saved state");
  } catch (const whisker::InputError& error) {
    throw whisker::InputError(str(source.string(), ": ", error.what()));
  } catch (const whisker::NumericError& error) {
    throw whisker::NumericError(
        str(source.string(), ": ", error.what(), "; remove the file to go on from the one before"));
  }
}

/// Throws UsageError with the list of differences that would make it another run.
void check_same_run(const Config& was, const Config& is) {
  std::string list;
  for (const Difference& difference : differences(was, is))
    if (!difference.was.may_change)
      list += str("\n  ", difference.was.flag, ": the run has ",
                  difference.was.value.empty() ? "none" : difference.was.value, ", asked for is ",
                  difference.is.value);
  check<UsageError>(list.empty(), "resume: these settings cannot change within a run:", list,
                    "\nLeave them out (and restore config.json), or begin a new run with ",
                    "catgan train.");
}

void check_same_data(const ResumeOptions& options, const Checkpoint& checkpoint,
                     const TrainingData& data) {
  if (options.accept_changed_data || checkpoint.data == data.fingerprint) return;
  throw UsageError(str("resume: the pictures have changed since the checkpoint (",
                       checkpoint.data.pictures, " then, ", data.fingerprint.pictures,
                       " now), so training cannot continue as it would have; restore them, or go ",
                       "on with the new ones by --accept-changed-data"));
}

int resume(const ResumeOptions& options) {
  catch_stop_signals();
  const RunFolder folder = RunFolder::open(options.run);
  SavedRun saved = load_run(folder);
  const Config before = saved.checkpoint ? saved.checkpoint->config : saved.config;
  Config config = saved.config;
  options.flags.apply_to(config);
  check_same_run(before, config);
  if (saved.checkpoint) check_checkpoint(*saved.checkpoint, saved.source);
  const MachineScope machine(config);

  Console console;
  const TrainingData data = load_data_with_bar(config, console);
  const std::int64_t step = saved.checkpoint ? saved.checkpoint->step : 0;
  const std::int64_t total = config.total_steps(data.pictures.size());
  if (saved.checkpoint) check_same_data(options, *saved.checkpoint, data);
  if (step > total || (step == total && is_complete(config, folder, step))) {
    for (const std::string& note : saved.notes)
      console.line(note);
    console.line(str("the run is finished: step ", step, " of ", total, "; to go on, give more ",
                     "steps: catgan resume ", shell_word(options.run), " --steps ",
                     std::min(step * 2, kMostSteps)));
    return 0;
  }
  whisker::write_file_atomically(folder.config_file(), to_json(config));
  RunLog log(console, folder.log_file());
  log.line(str("resuming ", folder.path().string(), " at step ", step, " of ", total));
  for (const std::string& note : saved.notes)
    log.line(note);
  if (config.device != before.device && before.device != "auto")
    log.line(str("note: on ", config.device, " instead of ", before.device,
                 "; results may differ in their last bits"));
  return run_training(config, folder, log, data, std::move(saved.checkpoint));
}

}  // namespace

Command resume_command(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("resume", "Go on with a run, bit for bit");
  auto options = std::make_shared<ResumeOptions>();
  parser->add_option("RUN", options->run, "a run folder")->required();
  parser->add_flag("--accept-changed-data", options->accept_changed_data,
                   "go on although the pictures are not those of before");
  options->flags.add_settings_to(*parser);
  parser->footer(kFooter);
  return {parser, [options] { return resume(*options); }};
}

}  // namespace catgan
