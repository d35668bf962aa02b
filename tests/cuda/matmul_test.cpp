#include "reference/matmul.h"

#include <cmath>

#include <whisker/kernels/cuda/matmul_plan.h>
#include <whisker/kernels/matmul.h>

#include "catch.h"
#include "kernel_test.h"

using namespace whisker;
using namespace whisker::testing;
using kernels::MatmulShape;
using kernels::cuda::choose_matmul_plan;
using kernels::cuda::MatmulPlan;

namespace {

struct Case {
  std::int64_t m, n, k;
  std::size_t offset;  // of a, b and c, in elements
};

const Case kCases[] = {
    {1, 1, 1, 0},                        // one element
    {0, 3, 4, 0},     {3, 0, 4, 0},      // no results
    {3, 4, 0, 0},                        // sums of nothing
    {64, 64, 32, 0},                     // one whole tile and step
    {65, 63, 33, 0},                     // tails everywhere, misaligned rows
    {72, 80, 104, 0}, {72, 80, 104, 1},  // aligned rows with tails, then misaligned data
    {64, 1, 2000, 0}, {1, 70, 900, 0},   // parts of k
    {16, 200, 24, 0},
};

enum class Precision { kFloat, kTf32, kBfloat16 };

/// The naive product, and the error allowed for each element: K rounding errors of float that add
/// up as a random walk, with a factor of 4 for the worst of many elements; arguments in TF32 are
/// rounded to 11 significant bits each, results in bfloat16 once.
struct Expected {
  Array c, allowed;

  Expected(const Array& a, const Array& b, Precision precision)
      : c(reference::matmul(a, b)), allowed(c.shape) {
    Array a_size = a, b_size = b;
    for (double& value : a_size.values)
      value = std::abs(value);
    for (double& value : b_size.values)
      value = std::abs(value);
    const Array sizes = reference::matmul(a_size, b_size);
    const double steps = 4.0 * std::sqrt(static_cast<double>(a.shape[1]) + 1.0);
    for (std::int64_t i = 0; i < c.shape.numel(); ++i) {
      allowed[i] = steps * kFloatRounding * sizes[i];
      if (precision == Precision::kTf32) allowed[i] += 2.0 * 0x1p-11 * 1.001 * sizes[i];
      if (precision == Precision::kBfloat16) allowed[i] += kRounding<bfloat16> * std::abs(c[i]);
    }
  }
};

template <class T>
void check_matmul(const Case& c, bool transpose_a, bool transpose_b, Precision precision) {
  CAPTURE(c.m, c.n, c.k, c.offset, transpose_a, transpose_b, static_cast<int>(precision));
  const Array a = to_array({c.m, c.k}, random_values<T>(c.m * c.k, 1));
  const Array b = to_array({c.k, c.n}, random_values<T>(c.k * c.n, 2));
  const Expected expected(a, b, precision);
  const DeviceSlice<T> device_a((transpose_a ? reference::transpose(a) : a).values, c.offset);
  const DeviceSlice<T> device_b((transpose_b ? reference::transpose(b) : b).values, c.offset);
  const MatmulShape shape{
      .m = c.m, .n = c.n, .k = c.k, .transpose_a = transpose_a, .transpose_b = transpose_b};
  const Results results = run_in_all_orders([&]() -> Results {
    const DeviceSlice<T> product(expected.c.values.size(), c.offset);
    kernels::cuda::matmul(device_a.get(), device_b.get(), product.get(), shape,
                          precision == Precision::kTf32 ? test_context_tf32() : test_context());
    return {product.download()};
  });
  CHECK(mismatch_beyond(results[0], expected.c.values,
                        [&](std::size_t i) { return expected.allowed.values[i]; }) == "");
}

template <class T>
void check_all(Precision precision) {
  for (const Case& c : kCases)
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true})
        check_matmul<T>(c, transpose_a, transpose_b, precision);
}

}  // namespace

TEST_CASE("Products of floats follow the definition", "[cuda][matmul]") {
  check_all<float>(Precision::kFloat);
}

TEST_CASE("Products on tensor cores follow the definition", "[cuda][matmul]") {
  check_all<float>(Precision::kTf32);
  check_all<bfloat16>(Precision::kBfloat16);
}

TEST_CASE("Products in large tiles follow the definition", "[cuda][matmul]") {
  // Just enough tiles of 128 for the plan to take them, with tails.
  const Case large{1450, 1322, 35, 0}, whole{1408, 1536, 32, 0};
  REQUIRE(choose_matmul_plan({.m = large.m, .n = large.n, .k = large.k}).tile == 128);
  REQUIRE(choose_matmul_plan({.m = whole.m, .n = whole.n, .k = whole.k}).tile == 128);
  for (const bool transposed : {false, true}) {
    check_matmul<float>(large, transposed, !transposed, Precision::kFloat);
    check_matmul<float>(whole, transposed, transposed, Precision::kTf32);
    check_matmul<float>(whole, transposed, !transposed, Precision::kTf32);
    check_matmul<bfloat16>(large, transposed, transposed, Precision::kBfloat16);
    check_matmul<bfloat16>(whole, transposed, !transposed, Precision::kBfloat16);
  }
}

TEST_CASE("Plans cover all of k, and small products are cut along it", "[cuda][matmul]") {
  for (const MatmulShape s :
       {MatmulShape{.m = 64, .n = 1, .k = 65'536}, MatmulShape{.m = 64, .n = 65'536, .k = 100},
        MatmulShape{.m = 65'536, .n = 100, .k = 64}, MatmulShape{.m = 1, .n = 1, .k = 1},
        MatmulShape{.m = 2048, .n = 2048, .k = 2048},
        MatmulShape{.m = 100, .n = 100, .k = 12'345}}) {
    CAPTURE(s.m, s.n, s.k);
    const MatmulPlan plan = choose_matmul_plan(s);
    CHECK(plan.tiles_m * plan.tile >= s.m);
    CHECK(plan.tiles_n * plan.tile >= s.n);
    CHECK(plan.k_per_part % kernels::cuda::kMatmulTileK == 0);
    CHECK(plan.parts * plan.k_per_part >= s.k);
    CHECK((plan.parts - 1) * plan.k_per_part < s.k);  // no part is empty
  }
  CHECK(choose_matmul_plan({.m = 64, .n = 1, .k = 65'536}).parts >= 128);
  CHECK(choose_matmul_plan({.m = 64, .n = 65'536, .k = 100}).parts == 1);
  CHECK(choose_matmul_plan({.m = 2048, .n = 2048, .k = 2048}).tile == 128);
}
