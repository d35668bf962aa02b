#include "training/training_run.h"

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include <whisker/core/atomic_file.h>
#include <whisker/kernels/cpu/machine.h>

#include "pictures/image_grid.h"
#include "random_streams.h"
#include "sampling.h"
#include "terminal_text.h"
#include "training/run_statistics.h"
#include "training/stop_request.h"
#include "training/trainer.h"

namespace catgan {
namespace {

using whisker::str;
using Clock = std::chrono::steady_clock;

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// How the line begins that a run ends with.
std::string done_line(std::int64_t step) {
  return str("done: ", step, " steps");
}

class TrainingRun {
 public:
  TrainingRun(const Config& config, const RunFolder& folder, RunLog& log, const TrainingData& data,
              std::optional<Checkpoint> start)
      : config_(config),
        folder_(folder),
        log_(log),
        data_(data),
        batches_(config_, data.pictures),
        trainer_(config),
        per_epoch_(config.steps_per_epoch(data.pictures.size())),
        total_(config.total_steps(data.pictures.size())) {
    if (!start) return;
    trainer_.load_state(start->tensors);
    whisker::check<whisker::InputError>(trainer_.steps() == start->step, "the checkpoint of step ",
                                        start->step, " holds the state of step ", trainer_.steps());
    trainer_.check_finite();
    statistics_ = RunStatistics::from_json(start->statistics, "checkpoint");
    saved_step_ = first_step_ = start->step;
    start.reset();  // as much memory as training takes
  }

  int run() {
    log_.line(str("preset ", config_.preset, ", ", config_.size, "x", config_.size, ", batch ",
                  config_.batch, ", ", total_, " steps of ", per_epoch_, " an epoch, G ",
                  trainer_.generator().parameter_count(), " and D ",
                  trainer_.discriminator().parameter_count(), " parameters, ", config_.threads,
                  config_.threads == 1 ? " thread" : " threads", ", on ", config_.device));
    if (const int cpus = whisker::kernels::cpu::usable_cpus(); config_.threads > cpus)
      log_.line(str("note: ", config_.threads, " threads share ", cpus,
                    cpus == 1 ? " core" : " cores", " here; --threads ", cpus,
                    " is faster and gives the same bits"));
    open_statistics();
    write_what_is_owed();
    earlier_seconds_ = statistics_.seconds;
    start_ = Clock::now();
    interval_start_ = start_;
    while (trainer_.steps() < total_ && stop_signal() == 0)
      one_step();
    return finish();
  }

 private:
  std::int64_t step() const { return trainer_.steps(); }
  double session_seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

  void one_step() {
    const StepResult result = trainer_.step(batches_.batch(step()), training_z(config_, step()));
    ++interval_steps_;
    statistics_.add(result);
    statistics_.seconds = earlier_seconds_ + session_seconds();
    if (step() % config_.log_interval == 0 || step() == total_) write_statistics();
    show_bar();
    if (due(config_.sample_interval) && step() < total_) write_grid();  // before a checkpoint
    const bool epoch_due =
        config_.checkpoint_epochs > 0 && step() % (config_.checkpoint_epochs * per_epoch_) == 0;
    if ((due(config_.checkpoint_interval) || epoch_due) && step() < total_) save();
  }

  bool due(std::int64_t interval) const { return interval > 0 && step() % interval == 0; }

  double pictures_per_second() const {
    const double seconds = std::chrono::duration<double>(Clock::now() - interval_start_).count();
    return static_cast<double>(interval_steps_ * config_.batch) / std::max(seconds, 1e-9);
  }

  std::string time_left() const {
    const double per_step =
        session_seconds() / static_cast<double>(std::max<std::int64_t>(steps_done_here(), 1));
    return clock_text(per_step * static_cast<double>(total_ - step()));
  }
  std::int64_t steps_done_here() const { return step() - first_step_; }

  void show_bar() {
    const StepResult mean = last_mean_.value_or(statistics_.mean());
    log_.console().bar(
        "", step(), total_,
        str("  D ", fixed(mean.d_loss, 3), "  G ", fixed(mean.g_loss, 3), "  ",
            fixed(rate_ > 0 ? rate_ : pictures_per_second(), 1), " img/s  ETA ", time_left()));
  }

  void open_statistics() {
    log_.attempt("the statistics", [&] {
      const int dropped = cut_statistics(folder_.stats_file(), step());
      stats_.emplace(folder_.stats_file());
      if (dropped > 0)
        log_.line(str("note: ", folder_.stats_file().string(), " had ", dropped,
                      dropped == 1 ? " line that was" : " lines that were",
                      " not whole; they are left out"));
    });
  }

  /// What an earlier session was killed before, or had no room for.
  void write_what_is_owed() {
    const auto missing = [](const std::filesystem::path& path) {
      std::error_code ignored;  // then it is written, which says what is wrong
      return !std::filesystem::exists(path, ignored);
    };
    if (missing(folder_.readme_file()))
      log_.attempt(folder_.readme_file().string(), [&] { folder_.write_readme(); });
    if (missing(folder_.census_file()))
      log_.attempt(folder_.census_file().string(),
                   [&] { whisker::write_file_atomically(folder_.census_file(), data_.census); });
    if (step() == 0 || missing(folder_.reals_file())) write_reals();
    const bool grid_due = step() > 0 && due(config_.sample_interval) && step() < total_;
    if (grid_due && missing(folder_.grid_file(step()))) write_grid();
    if (saved_step_ >= 0) remove_old(checkpoint_path(folder_.checkpoints(), saved_step_));
  }

  void write_statistics() {
    const StepResult mean = statistics_.mean();
    last_mean_ = mean;
    rate_ = pictures_per_second();
    const double epoch = static_cast<double>(step()) / static_cast<double>(per_epoch_);
    nlohmann::ordered_json line{{"step", step()},
                                {"epoch", epoch},
                                {"d_loss", mean.d_loss},
                                {"g_loss", mean.g_loss},
                                {"d_real", mean.d_real},
                                {"d_fake", mean.d_fake},
                                {"img_per_s", rate_},
                                {"seconds", statistics_.seconds},
                                {"peak_rss_mb", peak_rss_mb()}};
    if (stats_) log_.attempt("a line of the statistics", [&] { stats_->write(line.dump()); });
    log_.progress_line(str("step ", step(), "/", total_, "  epoch ", fixed(epoch, 2), "  D ",
                           fixed(mean.d_loss, 3), "  G ", fixed(mean.g_loss, 3), "  D(real) ",
                           fixed(mean.d_real, 3), "  D(fake) ", fixed(mean.d_fake, 3), "  ",
                           fixed(rate_, 1), " img/s  ETA ", time_left()));
    statistics_.reset();
    interval_start_ = Clock::now();
    interval_steps_ = 0;
  }

  void write_reals() {
    log_.attempt(folder_.reals_file().string(), [&] {
      BatchSource source(config_, data_.pictures);
      const std::int64_t wanted = std::int64_t{config_.grid} * config_.grid;
      std::vector<Picture> pictures;
      const std::int64_t batches =
          std::min((wanted + config_.batch - 1) / config_.batch, per_epoch_);
      for (std::int64_t i = 0; i < batches; ++i)
        for (Picture& picture : to_pictures(source.batch(i), config_.data_range))
          if (std::ssize(pictures) < wanted) pictures.push_back(std::move(picture));
      write_png(folder_.reals_file(), make_grid(pictures, config_.grid));
    });
  }

  void write_grid() {
    log_.attempt(folder_.grid_file(step()).string(), [&] {
      std::vector<Picture> pictures;
      const auto key = [&](std::int64_t i) {
        return whisker::RandomKey{.seed = config_.seed,
                                  .stream = kFixedNoiseStream,
                                  .step = static_cast<std::uint32_t>(i)};
      };
      trainer_.with_sampling_generator([&](whisker::nn::Module& generator) {
        pictures = draw_samples(config_, generator, std::int64_t{config_.grid} * config_.grid, key);
      });
      write_png(folder_.grid_file(step()), make_grid(pictures, config_.grid));
    });
  }

  void save() {
    trainer_.check_finite();
    const auto path = save_checkpoint(folder_.checkpoints(), {.step = step(),
                                                              .config = config_,
                                                              .data = data_.fingerprint,
                                                              .statistics = statistics_.to_json(),
                                                              .tensors = trainer_.state()});
    saved_step_ = step();
    remove_old(path);
    log_.progress_line(str("saved ", path.string()));
  }

  void remove_old(const std::filesystem::path& newest) {
    log_.attempt(
        "an old checkpoint",
        [&] { remove_old_checkpoints(folder_.checkpoints(), newest, config_.keep); },
        "could not be removed");
  }

  int finish() {
    log_.console().clear_bar();
    const int signal = stop_signal();
    if (saved_step_ != step()) save();
    const std::string run = shell_word(folder_.path().string());
    if (signal != 0 && step() < total_) {
      log_.line(
          str("stopped at step ", step(), " of ", total_, "; go on with: catgan resume ", run));
      return exit_code_of(signal);
    }
    write_grid();
    log_.line(str(done_line(step()), " in ", clock_text(statistics_.seconds), ", peak memory ",
                  fixed(peak_rss_mb(), 0), " MB\n  pictures: ", folder_.grid_file(step()).string(),
                  "\n  more of them: catgan sample ", run));
    log_.throw_if_incomplete();
    return 0;
  }

  const Config& config_;
  const RunFolder& folder_;
  RunLog& log_;
  const TrainingData& data_;
  std::optional<LineFile> stats_;
  BatchSource batches_;
  Trainer trainer_;
  std::int64_t per_epoch_, total_;
  RunStatistics statistics_;
  std::int64_t saved_step_ = -1, interval_steps_ = 0;
  std::int64_t first_step_ = 0;  // of this session
  double earlier_seconds_ = 0.0, rate_ = 0.0;
  std::optional<StepResult> last_mean_;
  Clock::time_point start_{}, interval_start_{};
};

}  // namespace

bool is_complete(const Config& config, const RunFolder& folder, std::int64_t step) {
  if (std::ssize(list_checkpoints(folder.checkpoints())) > config.keep) return false;
  for (const auto& file : {folder.config_file(), folder.readme_file(), folder.census_file(),
                           folder.reals_file(), folder.grid_file(step), folder.log_file()})
    if (!std::filesystem::exists(file)) return false;
  return ("\n" + read_text_file(folder.log_file())).find("\n" + done_line(step)) !=
         std::string::npos;
}

int run_training(const Config& config, const RunFolder& folder, RunLog& log,
                 const TrainingData& data, std::optional<Checkpoint> start) try {
  return TrainingRun(config, folder, log, data, std::move(start)).run();
} catch (const whisker::NumericError& error) {
  log.console().clear_bar();
  std::vector<std::filesystem::path> saved;
  log.attempt("the list of checkpoints", [&] { saved = list_checkpoints(folder.checkpoints()); });
  const std::string advice =
      str("training stopped: ", error.what(), "\n  ",
          saved.empty() ? std::string("there is no checkpoint yet")
                        : "the last good checkpoint is " + saved.back().string(),
          "\n  Often a lower --g-rate and --d-rate helps, or --precision f32.");
  log.line(advice);
  throw;
}

}  // namespace catgan
