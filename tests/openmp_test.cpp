// Callers that have OpenMP regions of their own. This file alone is built with OpenMP.
#include <atomic>

#include <whisker/core/ops.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {

TEST_CASE("convolutions and their gradients work within a caller's parallel region",
          "[parallel][openmp]") {
  const DeviceScope cpu(Device::cpu());
  const ThreadScope scope(3);
  const Tensor x = random_tensor({8, 32, 32, 3}), weight = random_tensor({16, 5, 5, 3});
  const auto gradient = [&] {
    const Tensors leaves = leaves_of({x, weight});
    return gradients(sum(square(conv2d(leaves[0], leaves[1], Tensor(), {}))), leaves);
  };
  const Tensors expected = gradient();
  std::atomic<int> equal = 0;
#pragma omp parallel num_threads(4)
  {
    const DeviceScope here(Device::cpu());
    if (same_bits(gradient(), expected)) ++equal;
  }
  CHECK(equal >= 1);  // OpenMP may lend fewer than four
  int wanted = 0;
#pragma omp parallel num_threads(4)
#pragma omp atomic
  ++wanted;
  CHECK(equal == wanted);
}

}  // namespace whisker::testing
