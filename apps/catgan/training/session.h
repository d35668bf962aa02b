// What training commands do before and around the training loop.
#pragma once

#include <whisker/core/device.h>

#include "config.h"
#include "training/run_log.h"
#include "training/training_data.h"

namespace catgan {

/// Puts the tensors of a scope where a configuration says, and sets the number of threads; "auto"
/// and 0 in it become what was chosen. Throws UsageError for a device that is not there or a
/// precision that it has no instructions for, whisker::OutOfMemory if training cannot fit into the
/// memory of the CPU.
class MachineScope {
 public:
  explicit MachineScope(Config& config);

 private:
  whisker::DeviceScope device_;
};

/// whisker::parse_device() whose errors are UsageErrors.
whisker::Device parse_device_flag(const std::string& text);

/// load_training_data() with a progress bar; a stop signal ends it with Stopped.
TrainingData load_data_with_bar(const Config& config, Console& console);

}  // namespace catgan
