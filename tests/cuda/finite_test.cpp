#include <cmath>
#include <limits>
#include <memory>

#include <whisker/kernels/cuda/activity.h>
#include <whisker/kernels/finite.h>

#include "catch.h"
#include "kernel_test.h"

using namespace whisker;
using namespace whisker::testing;
using namespace whisker::kernels;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What find_not_finite() finds in arrays numbered from 100 on, with `first` what was found before.
std::int32_t find(const std::vector<std::vector<double>>& arrays, std::size_t offset = 0,
                  std::int32_t first = kAllFinite) {
  const Results results = run_in_all_orders([&]() -> Results {
    std::vector<std::unique_ptr<DeviceSlice<float>>> slices;
    std::vector<ValuesToCheck> values;
    for (const std::vector<double>& array : arrays) {
      slices.push_back(std::make_unique<DeviceSlice<float>>(array, offset));
      values.push_back({slices.back()->get(), static_cast<std::int64_t>(array.size()),
                        static_cast<std::int32_t>(100 + values.size())});
    }
    const DeviceArray<std::int32_t> found(std::vector<std::int32_t>{first});
    const std::uint64_t before = cuda::activity.launches;
    cuda::find_not_finite(values, found.get(), test_context());
    CHECK(cuda::activity.launches - before == (arrays.size() > 145 ? 2 : 1));
    return {to_doubles(found.download())};
  });
  return static_cast<std::int32_t>(results[0][0]);
}

}  // namespace

TEST_CASE("The first array with a number that is none is found in one launch", "[cuda][finite]") {
  const auto array = [](std::int64_t n) { return random_values<float>(n, 1, -3e38, 3e38); };
  for (const std::size_t offset : {0, 1}) {
    CAPTURE(offset);
    const std::vector<std::vector<double>> good{array(3), {}, array(9001), array(4096)};
    CHECK(find(good, offset) == kAllFinite);
    CHECK(find(good, offset, 7) == 7);
    // First, last, on both sides of where a block ends, in the tail behind the wide loads.
    for (const std::size_t at : {0, 4095, 4096, 8999, 9000}) {
      for (const double bad : {kNaN, kInfinity, -kInfinity}) {
        CAPTURE(at, bad);
        std::vector<std::vector<double>> arrays = good;
        arrays[2][at] = bad;
        CHECK(find(arrays, offset) == 102);
        arrays[3][1] = kNaN;
        CHECK(find(arrays, offset) == 102);
        arrays[0][2] = kInfinity;
        CHECK(find(arrays, offset) == 100);
        CHECK(find(arrays, offset, 7) == 7);
      }
    }
  }
}

TEST_CASE("More arrays than one launch takes are all looked at", "[cuda][finite]") {
  std::vector<std::vector<double>> arrays(200, {1.0});
  CHECK(find(arrays) == kAllFinite);
  // The last first, on both sides of where a launch of 145 ends.
  for (const int at : {199, 146, 145, 144, 143, 0}) {
    arrays[static_cast<std::size_t>(at)][0] = kNaN;
    CHECK(find(arrays) == 100 + at);
  }
}
