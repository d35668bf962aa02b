// Finding numbers that are none.
#pragma once

#include <cstdint>
#include <vector>

#include <whisker/core/tensor.h>
#include <whisker/kernels/finite.h>

namespace whisker::inline v0_1 {

using kernels::kAllFinite;

/// Lowers `first`, an int32 scalar, to the lowest number of a tensor that holds an infinity or a
/// NaN; tensors[i] has the number offset + i, and undefined ones are skipped. Nobody waits for the
/// answer: an optimizer can heed it where it is, see optim::Optimizer::apply_step(). All are on the
/// device of `first`, and float32; throws ShapeError.
void find_not_finite(const std::vector<Tensor>& tensors, std::int32_t offset, Tensor& first);

}  // namespace whisker::inline v0_1
