#include "training/step_report.h"

#include <bit>

#include <whisker/core/backend.h>

namespace catgan {

using whisker::Tensor;

void StepReport::clear() {
  first_bad().copy_from(
      Tensor::full({1}, whisker::kAllFinite, whisker::Dtype::int32, rows_.device()));
}

void StepReport::put(Row row, const Tensor& scalar) {
  whisker::check(scalar.numel() == 1 && scalar.dtype() == whisker::Dtype::float32,
                 "step report: wants a float32 scalar, got ", scalar.dtype(), " ", scalar.shape());
  whisker::copy_bytes(scalar.raw_data(), scalar.device(),
                      rows_.view_rows(row, row + 1).raw_mutable_data(), rows_.device(),
                      sizeof(float));
}

StepReport::Values StepReport::read() const {
  const auto rows = rows_.to_vector<std::int32_t>();
  Values values;
  for (std::size_t i = 0; i < values.rows.size(); ++i)
    values.rows[i] = std::bit_cast<float>(rows[i]);
  values.first_bad = rows[kFirstBad];
  return values;
}

}  // namespace catgan
