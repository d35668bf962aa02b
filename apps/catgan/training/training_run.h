// The training loop: steps, statistics, grids, checkpoints, and the ways to end.
#pragma once

#include <optional>

#include "training/checkpoint.h"
#include "training/run_folder.h"
#include "training/run_log.h"
#include "training/training_data.h"

namespace catgan {

/// Trains from `start`, or from new weights, until the configuration's last step or a stop signal;
/// checkpoints are saved in both cases. Returns 0, 130 or 143. Throws whisker::NumericError when a
/// number is none (nothing is saved then, older checkpoints stay), whisker::IoError.
int run_training(const Config& config, const RunFolder& folder, RunLog& log,
                 const TrainingData& data, std::optional<Checkpoint> start);

}  // namespace catgan
