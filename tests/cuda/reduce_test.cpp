#include <cmath>

#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/sum_parts.h>

#include "catch.h"
#include "kernel_test.h"
#include "reference/broadcast.h"

using namespace whisker;
using namespace whisker::testing;
using kernels::ReduceShape;

namespace {

struct Case {
  std::int64_t outer, reduce, inner;
  std::size_t offset;  // of x, in elements
};

const Case kCases[] = {
    {1, 1, 1, 0},                            // one element
    {0, 5, 3, 0},                            // no results
    {3, 5, 0, 0},       {3, 0, 4, 0},        // sums of nothing
    {5, 0, 1, 0},       {1, 100'003, 1, 0},  // one long row in parts, with a tail
    {1, 100'003, 1, 1}, {3, 20'000, 1, 0},   // several rows in parts
    {3, 20'001, 1, 0},                       // rows that are not aligned
    {1001, 37, 1, 0},                        // short rows, one warp each
    {7, 600, 1, 0},                          // rows of one part
    {1, 5000, 64, 0},                        // columns in parts
    {1, 5000, 64, 1},   {1, 4001, 3, 0},     // few columns: folded, the last row ends early
    {1, 4001, 3, 1},    {1, 1000, 100, 0},   // columns that do not fill a tile
    {1, 300, 1000, 0},                       // several tiles
    {1, 300, 1001, 0},                       // rows that are not aligned
    {1, 3, 70'000, 0},                       // many columns, few rows
    {4, 130, 20, 0},                         // the middle axis
    {5, 7, 9, 0},
};

template <class T>
void check_sums() {
  for (const Case& c : kCases) {
    CAPTURE(c.outer, c.reduce, c.inner, c.offset, sizeof(T));
    const Shape shape{c.outer, c.reduce, c.inner};
    const Array x = to_array(shape, random_values<T>(shape.numel(), 1));
    const Array y = reference::sum_to(x, {c.outer, 1, c.inner});
    const DeviceSlice<T> device_x(x.values, c.offset);
    const Results results = run_in_all_orders([&]() -> Results {
      const DeviceSlice<float> device_y(y.values.size());
      kernels::cuda::reduce_sum(device_x.get(), device_y.get(),
                                {.outer = c.outer, .reduce = c.reduce, .inner = c.inner},
                                test_context());
      return {device_y.download()};
    });
    // Accumulated in double and rounded to float once; 1e-12 for sums that cancel.
    CHECK(mismatch(results[0], y.values, 1e-12, kFloatRounding) == "");
  }
}

}  // namespace

TEST_CASE("Sums over an axis are exact up to the rounding of the result", "[cuda][reduce]") {
  check_sums<float>();
  check_sums<bfloat16>();
}

TEST_CASE("Sums over an axis do not depend on the size of the device", "[cuda][reduce]") {
  // On one multiprocessor a block sums several rows or matrices after each other.
  for (const Shape& shape : {Shape{50, 30, 20}, Shape{150, 30, 1}, Shape{1001, 3, 2}}) {
    CAPTURE(shape);
    const DeviceSlice<float> x(random_values<float>(shape.numel(), 1));
    const auto run_on = [&](kernels::cuda::Context& context) {
      return run_in_all_orders([&]() -> Results {
        const DeviceSlice<float> y(static_cast<std::size_t>(shape[0] * shape[2]));
        kernels::cuda::reduce_sum(
            x.get(), y.get(), {.outer = shape[0], .reduce = shape[1], .inner = shape[2]}, context);
        return {y.download()};
      });
    };
    CHECK((run_on(test_context_small()) == run_on(test_context())));
  }
}

TEST_CASE("A sum keeps small terms beside a large one", "[cuda][reduce]") {
  std::vector<double> x(10'000, 1.0);
  x[17] = 16'777'216.0;  // 2^24, to which float cannot add 1
  const DeviceSlice<float> device_x(x), y(1);
  kernels::cuda::reduce_sum(device_x.get(), y.get(), {.reduce = 10'000}, test_context());
  // 2^24 + 9999 lies between two floats, whose distance there is 2.
  CHECK(std::abs(y.download()[0] - (16'777'216.0 + 9999.0)) <= 1.0);
}

TEMPLATE_TEST_CASE("Parts of sums are added in order and rounded once", "[cuda][reduce]", float,
                   bfloat16) {
  for (const std::int64_t size : {1, 257, 3001})  // the last is more than a small grid holds
    for (const int count : {1, 2, 7}) {
      CAPTURE(size, count);
      const auto parts = random_values<float>(size * count, 1);
      std::vector<double> sums;
      for (std::int64_t i = 0; i < size; ++i) {
        float sum = 0.0f;
        for (int part = 0; part < count; ++part)
          sum += static_cast<float>(parts[static_cast<std::size_t>(part * size + i)]);
        sums.push_back(sum);
      }
      const DeviceSlice<float> device_parts(parts);
      const Results results = run_in_all_orders([&]() -> Results {
        const DeviceSlice<TestType> y(sums.size());
        kernels::cuda::sum_parts(device_parts.get(), y.get(), size, count, test_context_small());
        return {y.download()};
      });
      CHECK(mismatch(results[0], to_doubles(from_doubles<TestType>(sums)), 0.0, 0.0) == "");
    }
}
