// Means over the steps of a log interval.
#pragma once

#include <cstdint>
#include <string>

#include "training/trainer.h"

namespace catgan {

class RunStatistics {
 public:
  void add(const StepResult& step);
  /// Means of what was added since the last reset().
  StepResult mean() const;
  void reset();
  /// Seconds that training took, earlier sessions included.
  double seconds = 0.0;

  /// For checkpoints: a resumed run continues the interval. from_json() throws whisker::InputError.
  std::string to_json() const;
  static RunStatistics from_json(const std::string& text, const std::string& source);

 private:
  StepResult sum_;
  std::int64_t steps_ = 0;
};

/// The most memory that the process ever held, in MB (10^6 bytes).
double peak_rss_mb();

}  // namespace catgan
