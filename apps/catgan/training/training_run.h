// The training loop: steps, statistics, grids, checkpoints, and the ways to end.
#pragma once

#include <optional>

#include "training/checkpoint.h"
#include "training/run_folder.h"
#include "training/run_log.h"
#include "training/training_data.h"

namespace catgan {

/// Trains from `start`, or from new weights, until the configuration's last step or a stop signal;
/// checkpoints are saved in both cases, and what is owed for the step of `start` is written first.
/// Returns 0 or exit_code_of() the signal. Throws whisker::NumericError when a number is not
/// finite (nothing is saved then, older checkpoints stay), whisker::IoError, what
/// RunLog::throw_if_incomplete() throws when the last checkpoint is saved.
int run_training(const Config& config, const RunFolder& folder, RunLog& log,
                 const TrainingData& data, std::optional<Checkpoint> start);

/// Whether a run that ended with this step has all that a finished run has. Throws
/// whisker::IoError, whisker::InputError.
bool is_complete(const Config& config, const RunFolder& folder, std::int64_t step);

}  // namespace catgan
