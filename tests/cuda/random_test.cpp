#include <cmath>

#include <whisker/kernels/random.h>

#include "catch.h"
#include "kernel_test.h"

using namespace whisker;
using namespace whisker::testing;
using namespace whisker::kernels;

namespace {

constexpr RandomFill kFill{.key = {0x12345678u, 0x9ABCDEF0u}, .step = 7, .stream = 3};

struct Size {
  std::int64_t n;
  std::size_t offset;
};
constexpr Size kSizes[] = {{0, 0}, {1, 0}, {3, 0}, {4, 0}, {1031, 0}, {1031, 1}, {70'001, 0}};

using CpuFill = void (*)(float* y, std::int64_t n, float, float, const RandomFill&, cpu::Context&);
using CudaFill = void (*)(float* y, std::int64_t n, float, float, const RandomFill&,
                          cuda::Context&);

void check_fill(CpuFill on_cpu, CudaFill on_device, float first, float second, double ulps) {
  for (const Size size : kSizes) {
    CAPTURE(size.n, size.offset);
    std::vector<float> expected(static_cast<std::size_t>(size.n));
    cpu::Context context{nullptr};  // fills need no scratch memory
    on_cpu(expected.data(), size.n, first, second, kFill, context);
    const Results results = run_in_all_orders([&]() -> Results {
      const DeviceSlice<float> y(expected.size(), size.offset);
      on_device(y.get(), size.n, first, second, kFill, test_context_small());
      return {y.download()};
    });
    // One unit in the last place is up to twice the relative rounding error times two.
    CHECK(mismatch(results[0], to_doubles(expected), 0.0, ulps * 0x1p-23) == "");
  }
}

}  // namespace

TEST_CASE("Uniform numbers have the bits of the CPU", "[cuda][random]") {
  check_fill(cpu::random_uniform, cuda::random_uniform, 0.0f, 1.0f, 0.0);
  check_fill(cpu::random_uniform, cuda::random_uniform, -0.037f, 1.3f, 0.0);
  check_fill(cpu::random_uniform, cuda::random_uniform, 1.0f, std::nextafter(1.0f, 2.0f), 0.0);
}

TEST_CASE("Uniform numbers are the words of Philox's authors", "[cuda][random]") {
  // Random123's kat_vectors, philox4x32 with 10 rounds: the first 24 bits of each word.
  const DeviceSlice<float> y(4);
  cuda::random_uniform(y.get(), 4, 0.0f, 1.0f, RandomFill{}, test_context());
  CHECK(mismatch(y.download(),
                 {0x6627e8 * 0x1p-24, 0xe169c5 * 0x1p-24, 0xbc57ac * 0x1p-24, 0x9b00db * 0x1p-24},
                 0.0, 0.0) == "");
}

TEST_CASE("Normal numbers are the CPU's up to the last place", "[cuda][random]") {
  check_fill(cpu::random_normal, cuda::random_normal, 0.0f, 1.0f, 1.0);
  check_fill(cpu::random_normal, cuda::random_normal, 2.0f, 0.02f, 1.0);
}

TEST_CASE("Truncated normal numbers are drawn again as on the CPU", "[cuda][random]") {
  check_fill(cpu::random_truncated_normal, cuda::random_truncated_normal, 0.0f, 0.02f, 1.0);
}
