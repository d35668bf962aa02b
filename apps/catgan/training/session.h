// What training commands do before and around the training loop.
#pragma once

#include "config.h"
#include "training/run_log.h"
#include "training/training_data.h"

namespace catgan {

/// Sets the number of threads; 0 in the configuration becomes the number there are. Throws
/// UsageError for a precision that this machine has no instructions for, whisker::OutOfMemory if
/// training cannot fit.
void set_up_machine(Config& config);

/// load_training_data() with a progress bar; a stop signal ends it with Stopped.
TrainingData load_data_with_bar(const Config& config, Console& console);

}  // namespace catgan
