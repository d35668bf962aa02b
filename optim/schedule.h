// Learning rates as functions of the step.
#pragma once

#include <cstdint>

namespace whisker::inline v0_1::optim {

/// Rises linearly from 0 to 1 over `warmup` steps, then stays at 1.
double warmup(std::int64_t step, std::int64_t warmup_steps);

/// 1 until `begin`, then linearly to `last` at `end`, then `last`.
double linear_decay(std::int64_t step, std::int64_t begin, std::int64_t end, double last = 0.0);

/// Half a cosine from 1 at step 0 to `last` at `end`, then `last` (Loshchilov & Hutter 2017).
double cosine_decay(std::int64_t step, std::int64_t end, double last = 0.0);

}  // namespace whisker::inline v0_1::optim
