// What a training step finds out, collected where the nets are and read once at its end.
#pragma once

#include <array>

#include <whisker/core/ops/finite.h>

namespace catgan {

class StepReport {
 public:
  enum Row { kDLossReal, kDLossFake, kDReal, kDFake, kGLoss, kFirstBad, kRows };

  explicit StepReport(whisker::Device device)
      : rows_(whisker::Tensor::empty({kRows}, whisker::Dtype::int32, device)) {
    clear();
  }

  /// Forgets what find_not_finite() found.
  void clear();
  /// Takes down a float32 scalar of the device.
  void put(Row row, const whisker::Tensor& scalar);
  /// What find_not_finite() lowers.
  whisker::Tensor first_bad() const { return rows_.view_rows(kFirstBad, kFirstBad + 1); }

  struct Values {
    std::array<float, kFirstBad> rows{};
    std::int32_t first_bad = whisker::kAllFinite;
  };
  /// Waits for the device.
  Values read() const;

 private:
  whisker::Tensor rows_;  // floats by their bits
};

}  // namespace catgan
