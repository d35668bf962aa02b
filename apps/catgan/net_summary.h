// The layers of both nets as a table.
#pragma once

#include <string>

#include "config.h"

namespace catgan {

/// Path, layer, output shape, parameters and FLOPs of every layer, totals, and the work of a step.
std::string net_summary(const Config& config);

/// Multiplications and additions of one training step, in convolutions and dense layers: G's
/// forward and its two gradients; for D those of real and of fake pictures, and in G's update the
/// forward and the gradient in the pictures.
double step_flops(const Config& config);

}  // namespace catgan
