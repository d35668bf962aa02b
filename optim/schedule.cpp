#include <algorithm>
#include <cmath>
#include <numbers>

#include <whisker/kernels/check.h>
#include <whisker/optim/schedule.h>

namespace whisker::inline v0_1::optim {
namespace {

/// How far step is on the way from begin to end, in [0, 1].
double progress(std::int64_t step, std::int64_t begin, std::int64_t end) {
  check(begin <= end, "schedule: begins at step ", begin, ", after its end at ", end);
  if (step >= end) return 1.0;
  return step <= begin ? 0.0 : static_cast<double>(step - begin) / static_cast<double>(end - begin);
}

}  // namespace

double warmup(std::int64_t step, std::int64_t warmup_steps) {
  return progress(step, 0, warmup_steps);
}

double linear_decay(std::int64_t step, std::int64_t begin, std::int64_t end, double last) {
  return 1.0 + (last - 1.0) * progress(step, begin, end);
}

double cosine_decay(std::int64_t step, std::int64_t end, double last) {
  return last + (1.0 - last) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress(step, 0, end)));
}

}  // namespace whisker::inline v0_1::optim
