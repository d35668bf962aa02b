#include "reference/resample2d.h"

#include <whisker/kernels/resample2d.h>

#include "catch.h"
#include "kernel_test.h"

using namespace whisker;
using namespace whisker::testing;
using kernels::Resample2dShape;

namespace {

struct Case {
  Resample2dShape shape;
  std::size_t offset = 0;  // of both arrays, in elements
};

const Case kCases[] = {
    {{0, 4, 4, 8}},                            // no image
    {{2, 4, 4, 0}},                            // no channel
    {{1, 1, 1, 1}},                            // one pixel, one thread
    {{2, 3, 5, 8, 1, 1}},                      // blocks of one pixel: a scaled copy
    {{2, 3, 5, 16, 2, 2, 0.25}},               // whole vectors, several rows to a block
    {{2, 3, 5, 16, 2, 2, 0.25}, 1},            // misaligned: single elements
    {{1, 9, 7, 77, 2, 3, 1.0 / 6}},            // channels that are no whole vectors
    {{2, 3, 3, 3, 3, 1}},                      // pictures, blocks of rows alone
    {{3, 2, 2, 4, 1, 5}},                      // blocks of columns alone
    {{1, 2, 700, 12}},                         // rows wider than a small device's grid
    {{2, 50, 90, 9}},                          // more rows than a small device holds at a time
    {{1, 1, 1, 12, 29, 31, 1.0 / (29 * 31)}},  // one mean per channel
};

Shape small_shape(const Resample2dShape& s) {
  return {s.batch, s.height, s.width, s.channels};
}
Shape large_shape(const Resample2dShape& s) {
  return {s.batch, s.height * s.block_h, s.width * s.block_w, s.channels};
}

template <class T>
void check_case(const Case& c, int sm_count) {
  const Resample2dShape& s = c.shape;
  CAPTURE(s.batch, s.height, s.width, s.channels, s.block_h, s.block_w, c.offset, sizeof(T),
          sm_count);
  const Array small = to_array(small_shape(s), random_values<T>(small_shape(s).numel(), 1));
  const Array large = to_array(large_shape(s), random_values<T>(large_shape(s).numel(), 2));
  const Array spread = reference::upsample2d(small, s.block_h, s.block_w, s.scale);
  const Array sums = reference::block_sum2d(large, s.block_h, s.block_w, s.scale);
  const DeviceSlice<T> device_small(small.values, c.offset), device_large(large.values, c.offset);
  kernels::cuda::Context context = test_context();
  context.sm_count = sm_count;
  const Results results = run_in_all_orders([&]() -> Results {
    const DeviceSlice<T> device_spread(spread.values.size(), c.offset);
    const DeviceSlice<T> device_sums(sums.values.size(), c.offset);
    kernels::cuda::upsample2d(device_small.get(), device_spread.get(), s, context);
    kernels::cuda::block_sum2d(device_large.get(), device_sums.get(), s, context);
    return {device_spread.download(), device_sums.download()};
  });
  // The scale rounded to float, the product, and the result.
  CHECK(mismatch(results[0], spread.values, 0.0, 2 * kFloatRounding + kRounding<T>) == "");
  // At most terms - 1 additions, none of a partial sum above the number of terms.
  const double terms = s.block_h * s.block_w;
  const double lost = terms * terms * kFloatRounding * s.scale;
  CHECK(mismatch(results[1], sums.values, lost, 2 * kFloatRounding + kRounding<T>) == "");
}

}  // namespace

TEST_CASE("Up-sampling and sums over blocks equal the definition", "[cuda][resample2d]") {
  for (const int sm_count : {1, test_context().sm_count})
    for (const Case& c : kCases) {
      check_case<float>(c, sm_count);
      check_case<bfloat16>(c, sm_count);
    }
}

TEST_CASE("A row with too many elements for the index is refused", "[cuda][resample2d][errors]") {
  float* const nowhere = nullptr;
  const Resample2dShape s{.batch = 1, .height = 1, .width = (1 << 26) + 1, .channels = 8};
  CHECK_THROWS_AS(kernels::cuda::upsample2d(nowhere, nowhere, s, test_context()), Error);
  CHECK_THROWS_AS(kernels::cuda::block_sum2d(nowhere, nowhere, s, test_context()), Error);
}
