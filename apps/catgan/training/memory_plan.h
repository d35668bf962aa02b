// How much memory a training run takes, before it takes it.
#pragma once

#include <cstdint>

#include "config.h"

namespace catgan {

struct MemoryPlan {
  double weights = 0.0;      // bytes: parameters, their gradients, Adam's moments, averages
  double per_picture = 0.0;  // bytes of activations for each picture of a batch

  double bytes(int batch) const { return weights + per_picture * batch; }
};

/// An estimate from the widths alone: nothing is allocated for it.
MemoryPlan plan_memory(const Config& config);

/// Throws whisker::OutOfMemory that suggests a batch that fits, if the machine has less.
void check_memory(const Config& config);

}  // namespace catgan
