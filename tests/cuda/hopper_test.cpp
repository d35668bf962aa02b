// The engines of sm_90a: layouts against the PTX ISA, products against plain loops.
#include <cstdlib>

#include "catch.h"
#include "cuda/device_array.h"
#include "golden.h"
#include "hopper_kernels.h"
#ifdef WHISKER_SIM
#include <whisker/kernels/sim/config.h>
#include <whisker/kernels/sim/thread.h>
#endif

using namespace whisker;
using namespace whisker::testing;

namespace {

/// Small integers, so that all sums are exact.
std::vector<bfloat16> integers(std::size_t count, int seed) {
  std::vector<bfloat16> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = bfloat16(static_cast<float>((static_cast<int>(i) * 37 + seed * 11) % 13 - 6));
  return values;
}

/// What `ring` computes: sum over steps of row i times row 0, over the first 16 columns.
std::vector<float> expected_ring(const std::vector<bfloat16>& x, int steps) {
  std::vector<float> y(64, 0.0f);
  for (int step = 0; step < steps; ++step)
    for (std::size_t row = 0; row < 64; ++row)
      for (std::size_t k = 0; k < 16; ++k) {
        const std::size_t tile = static_cast<std::size_t>(step) * 64 * 64;
        y[row] += float(x[tile + row * 64 + k]) * float(x[tile + k]);
      }
  return y;
}

}  // namespace

TEST_CASE("TMA copies a tile and fills with zeros outside the tensor", "[cuda][hopper]") {
  if (!has_hopper()) SKIP("needs sm_90a");
  constexpr int kRows = 20, kColumns = 72;
  const std::vector<bfloat16> x = integers(kRows * kColumns, 1);
  std::vector<std::uint32_t> seen;
  for (const auto& [row, column] : {std::pair{0, 0}, {3, 5}, {10, 40}, {-4, -7}, {100, 0}}) {
    const std::vector<bfloat16> y = tma_copy(x, kRows, kColumns, row, column);
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 64; ++j) {
        const int r = row + i, c = column + j;
        const bool inside = r >= 0 && r < kRows && c >= 0 && c < kColumns;
        const float wanted = inside ? float(x[static_cast<std::size_t>(r * kColumns + c)]) : 0.0f;
        INFO("tile at " << row << ", " << column << ", element " << i << ", " << j);
        REQUIRE(float(y[static_cast<std::size_t>(i * 64 + j)]) == wanted);
      }
    for (const bfloat16 value : y)
      seen.push_back(value.bits);
  }
  compare_with_golden("tma_tiles", seen);
}

TEST_CASE("The 128-byte swizzle permutes 16-byte chunks as the PTX ISA's figure",
          "[cuda][hopper]") {
  if (!has_hopper()) SKIP("needs sm_90a");
  // PTX ISA 5.5, 128-byte swizzle mode: which chunk of a row lies at each place, row by row.
  constexpr int kChunk[8][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {1, 0, 3, 2, 5, 4, 7, 6},
                                {2, 3, 0, 1, 6, 7, 4, 5}, {3, 2, 1, 0, 7, 6, 5, 4},
                                {4, 5, 6, 7, 0, 1, 2, 3}, {5, 4, 7, 6, 1, 0, 3, 2},
                                {6, 7, 4, 5, 2, 3, 0, 1}, {7, 6, 5, 4, 3, 2, 1, 0}};
  std::vector<bfloat16> x(512);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i].bits = static_cast<std::uint16_t>(i);
  const std::vector<std::uint16_t> words = tma_layout(x);
  for (std::size_t row = 0; row < 8; ++row)
    for (std::size_t place = 0; place < 8; ++place)
      for (std::size_t word = 0; word < 8; ++word)
        REQUIRE(words[row * 64 + place * 8 + word] ==
                row * 64 + static_cast<std::size_t>(kChunk[row][place]) * 8 + word);
  compare_with_golden("tma_swizzle_128", {words.begin(), words.end()});
}

TEST_CASE("wgmma multiplies with b along K and along N", "[cuda][hopper]") {
  if (!has_hopper()) SKIP("needs sm_90a");
  for (const int n : {64, 128, 256})
    for (const OperandLayout layout : {OperandLayout::kBKMajor, OperandLayout::kBMnMajor}) {
      const auto columns = static_cast<std::size_t>(n);
      const std::vector<bfloat16> a = integers(64 * 64, 1), b = integers(columns * 64, 2);
      const std::vector<float> c = wgmma_product(a, b, n, layout);
      for (std::size_t i = 0; i < 64; ++i)
        for (std::size_t j = 0; j < columns; ++j) {
          float sum = 0.0f;
          for (std::size_t k = 0; k < 64; ++k)
            sum += float(a[i * 64 + k]) *
                   float(layout == OperandLayout::kBKMajor ? b[j * 64 + k] : b[k * columns + j]);
          INFO("N " << n << ", row " << i << ", column " << j);
          REQUIRE(c[i * columns + j] == sum);
        }
      const bool along_k = layout == OperandLayout::kBKMajor;
      // The wider ones would be large files that say no more.
      if (n == 64) compare_with_golden(along_k ? "wgmma_b_k" : "wgmma_b_mn", bits_of(c));
    }
}

TEST_CASE("A producer and a warpgroup pass tiles through mbarriers", "[cuda][hopper]") {
  if (!has_hopper()) SKIP("needs sm_90a");
  constexpr int kSteps = 5;
  const std::vector<bfloat16> x = integers(kSteps * 64 * 64, 3);
  const std::vector<float> y = ring(x, kSteps, HopperBug::kNone);
  CHECK(y == expected_ring(x, kSteps));
  compare_with_golden("mbarrier_ring", bits_of(y));
}

#ifdef WHISKER_SIM
TEST_CASE("Missing waits for tiles and products are found", "[sim][hopper]") {
  namespace sim = kernels::sim;
  constexpr int kSteps = 5;
  const std::vector<bfloat16> x = integers(kSteps * 64 * 64, 3);
  for (const HopperBug bug : {HopperBug::kNone, HopperBug::kNoWaitForTile,
                              HopperBug::kNoWaitForProduct, HopperBug::kReleasedTooEarly}) {
    int found = 0;
    for (int seed = 0; seed < 6; ++seed) {
      sim::reset();
      sim::Config config = sim::config();
      config.order = seed == 0   ? sim::Order::kForward
                     : seed == 1 ? sim::Order::kReverse
                                 : sim::Order::kRandom;
      config.seed = static_cast<std::uint64_t>(seed);
      const sim::ConfigScope scope(config);
      try {
        if (ring(x, kSteps, bug) != expected_ring(x, kSteps)) ++found;
      } catch (const Error& error) {
        INFO(error.what());
        CHECK(bug != HopperBug::kNone);
        ++found;
      }
    }
    sim::reset();
    INFO("bug " << static_cast<int>(bug));
    if (bug == HopperBug::kNone) {
      CHECK(found == 0);
    } else if (sim::kChecking) {
      CHECK(found == 6);
    } else {
      CHECK(found > 0);
    }
  }
}
#endif
