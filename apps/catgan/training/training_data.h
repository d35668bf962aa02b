// What a training step is fed with: pictures and noise, both functions of the step alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <whisker/core/random.h>

#include "config.h"
#include "pictures/dataset.h"

namespace catgan {

/// Tells two data sets apart.
struct DataFingerprint {
  std::uint64_t hash = 0;  // content_hash of all pixels
  std::uint64_t pictures = 0;

  std::string to_string() const;  // "8000:0123456789abcdef"
  friend bool operator==(const DataFingerprint&, const DataFingerprint&) = default;
};
/// Reads what to_string() wrote; throws whisker::InputError that begins with `source`.
DataFingerprint parse_fingerprint(const std::string& text, const std::string& source);

struct TrainingData {
  Dataset pictures;
  DataFingerprint fingerprint;
  std::string summary;  // one line or more: where the pictures come from, what was skipped
  std::string census;   // the same with every skipped file
  std::vector<std::string> notes;
};

/// Random numbers are named by 32 bits of the step.
inline constexpr std::int64_t kMostSteps = 4'000'000'000;

using DataProgress = std::function<void(std::size_t done, std::size_t total)>;

/// Loads the folder of the configuration, or draws cats. Throws what load_dataset() throws, and
/// UsageError if one batch is more than all pictures.
TrainingData load_training_data(const Config& config, const DataProgress& progress = {});

/// Numbers for G: [count, z_size] of the configuration's distribution.
whisker::Tensor draw_z(const Config& config, std::int64_t count, whisker::RandomKey key);
/// The z of training step `step`, counted from 0.
whisker::Tensor training_z(const Config& config, std::int64_t step);

/// Batches of real pictures. Every epoch has its own order; a last partial batch is left out.
class BatchSource {
 public:
  BatchSource(const Config& config, const Dataset& pictures);

  /// The pictures of training step `step`, counted from 0: [batch, size, size, 3] in the data
  /// range.
  whisker::Tensor batch(std::int64_t step);

 private:
  const Config& config_;
  const Dataset& pictures_;
  std::vector<std::uint32_t> order_;
  std::int64_t epoch_of_order_ = -1;
};

}  // namespace catgan
