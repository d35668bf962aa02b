#include "catch.h"
#include "device_array.h"
#include "file_fixtures.h"
#include "launch_test_kernels.h"

using namespace whisker;
using namespace whisker::testing;
using file_fixtures::ContainsSubstring;

TEST_CASE("A kernel adds two arrays with a tail", "[cuda]") {
  constexpr std::size_t n = 1003;
  std::vector<float> x(n), y(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = static_cast<float>(i);
    y[i] = 0.5f;
  }
  const DeviceArray<float> device_x(x), device_y(y);
  saxpy(2.0f, device_x.get(), device_y.get(), n, test_context());
  const std::vector<float> result = device_y.download();
  for (std::size_t i = 0; i < n; ++i)
    REQUIRE(result[i] == 2.0f * static_cast<float>(i) + 0.5f);
}

TEST_CASE("Warps sum by shuffles, blocks through shared memory", "[cuda]") {
  constexpr std::size_t n = 1000;
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i)
    x[i] = static_cast<float>(i % 7);
  const DeviceArray<float> device_x(x), device_sums(4);
  block_sums(device_x.get(), device_sums.get(), n, test_context());
  const std::vector<float> sums = device_sums.download();
  for (std::size_t block = 0; block < sums.size(); ++block) {
    float expected = 0.0f;
    for (std::size_t i = block * 256; i < std::min(n, block * 256 + 256); ++i)
      expected += x[i];
    REQUIRE(sums[block] == expected);
  }
}

TEST_CASE("A launch that cannot be says which kernel and where", "[cuda][api_error]") {
  float* none = nullptr;
  std::string message = "no error";
  try {
    saxpy(1.0f, none, none, 0, test_context());  // no blocks
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK_THAT(message, ContainsSubstring("saxpy: launch of 0x1x1 blocks of 256x1x1 threads") &&
                          ContainsSubstring("launch_test_kernels.cu:"));
}
