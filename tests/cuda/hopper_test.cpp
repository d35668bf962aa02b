// The engines of sm_90a: layouts against the PTX ISA, products against plain loops.
#include <cstddef>
#include <cstdlib>
#include <string>

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

// PTX ISA 5.5, 128-byte swizzle mode: which chunk of a row lies at each place, row by row.
constexpr int kChunk[8][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {1, 0, 3, 2, 5, 4, 7, 6},
                              {2, 3, 0, 1, 6, 7, 4, 5}, {3, 2, 1, 0, 7, 6, 5, 4},
                              {4, 5, 6, 7, 0, 1, 2, 3}, {5, 4, 7, 6, 1, 0, 3, 2},
                              {6, 7, 4, 5, 2, 3, 0, 1}, {7, 6, 5, 4, 3, 2, 1, 0}};

// PTX ISA 9.7.15, accumulator D of wgmma.m64nNk16: the lane that has a pair of columns, for the
// rows 0 to 7 and the columns 0 to 7 of each warp's 16 rows; it repeats below and to the right.
constexpr std::size_t kLane[8][4] = {{0, 1, 2, 3},     {4, 5, 6, 7},     {8, 9, 10, 11},
                                     {12, 13, 14, 15}, {16, 17, 18, 19}, {20, 21, 22, 23},
                                     {24, 25, 26, 27}, {28, 29, 30, 31}};
// Its registers for the upper and lower eight rows, for the even and odd column.
constexpr std::size_t kRegister[2][2] = {{0, 1}, {2, 3}};

/// Calls f(index in a box, index in the tensor or -1 if outside) for each element of a box.
template <class F>
void for_each_in_box(int rank, const TileAt& at, F f) {
  const int rows = 1 << (rank - 1);
  for (int row = 0; row < rows; ++row)
    for (int j = 0; j < 64; ++j) {
      std::ptrdiff_t index = 0, stride = 1;
      bool inside = true;
      for (int axis = 0; axis < rank; ++axis) {
        const int c = at.c[axis] + (axis == 0 ? j : row >> (axis - 1) & 1);
        inside = inside && c >= 0 && c < kTmaSize[axis];
        index += c * stride;
        stride *= kTmaSize[axis];
      }
      f(static_cast<std::size_t>(row * 64 + j), inside ? index : -1);
    }
}
std::size_t tma_elements(int rank) {
  std::size_t count = 1;
  for (int axis = 0; axis < rank; ++axis)
    count *= static_cast<std::size_t>(kTmaSize[axis]);
  return count;
}
/// Which element of a box lies at a word of shared memory.
std::size_t unswizzled(std::size_t word) {
  const std::size_t row = word / 64, place = word % 64 / 8;
  return row * 64 + static_cast<std::size_t>(kChunk[row % 8][place]) * 8 + word % 8;
}
constexpr TileAt kTiles[] = {{{3, 1, 1, 0, 1}}, {{-5, -1, 3, -1, 2}}, {{40, 2, -1, 2, -1}}};

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

TEST_CASE("TMA loads boxes of each rank, with zeros outside the tensor", "[cuda][hopper]") {
  if (!has_hopper()) SKIP("needs sm_90a");
  for (const int rank : {2, 3, 4, 5}) {
    std::vector<bfloat16> x(tma_elements(rank));
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i].bits = static_cast<std::uint16_t>(i + 1);
    std::vector<std::uint32_t> seen;
    for (const TileAt& at : kTiles) {
      const std::vector<std::uint16_t> words = tma_load(x, rank, at);
      std::vector<std::uint16_t> wanted(words.size()), box(words.size());
      for_each_in_box(rank, at, [&](std::size_t i, std::ptrdiff_t from) {
        wanted[i] = from < 0 ? std::uint16_t{0} : x[static_cast<std::size_t>(from)].bits;
      });
      for (std::size_t i = 0; i < words.size(); ++i)
        box[unswizzled(i)] = words[i];
      CAPTURE(rank, at.c[0], at.c[1]);
      REQUIRE(box == wanted);
      seen.insert(seen.end(), words.begin(), words.end());
    }
    compare_with_golden("tma_load_" + std::to_string(rank) + "d", seen);
  }
}

TEST_CASE("TMA stores boxes and leaves out what is outside the tensor", "[cuda][hopper]") {
  if (!has_hopper()) SKIP("needs sm_90a");
  for (const int rank : {2, 4}) {
    const std::vector<bfloat16> before = integers(tma_elements(rank), 4);
    std::vector<std::uint32_t> seen;
    for (const TileAt& at : kTiles) {
      const std::vector<bfloat16> y = tma_store(before, rank, at);
      std::vector<std::uint16_t> box(std::size_t{64} << (rank - 1));
      for (std::size_t i = 0; i < box.size(); ++i)
        box[unswizzled(i)] = static_cast<std::uint16_t>(i + 1);
      std::vector<bfloat16> wanted = before;
      for_each_in_box(rank, at, [&](std::size_t i, std::ptrdiff_t to) {
        if (to >= 0) wanted[static_cast<std::size_t>(to)].bits = box[i];
      });
      for (std::size_t i = 0; i < y.size(); ++i) {
        CAPTURE(rank, at.c[0], at.c[1], i);
        REQUIRE(y[i].bits == wanted[i].bits);
        seen.push_back(y[i].bits);
      }
    }
    compare_with_golden("tma_store_" + std::to_string(rank) + "d", seen);
  }
}

TEST_CASE("A phase of an mbarrier ends with its last arrival", "[cuda][hopper]") {
  if (!has_hopper()) SKIP("needs sm_90a");
  const std::vector<int> sums = mbarrier_phases(5);
  CHECK(sums == std::vector<int>{0x111, 0x222, 0x333, 0x444, 0x555});
  compare_with_golden("mbarrier_phases", {sums.begin(), sums.end()});
}

TEST_CASE("wgmma leaves d in the registers of the PTX ISA's figure", "[cuda][hopper]") {
  if (!has_hopper()) SKIP("needs sm_90a");
  for (const int n : {8, 16, 32, 64, 96, 128, 192, 256})
    for (const bool along_m : {false, true})
      for (const bool along_n : {false, true}) {
        const auto columns = static_cast<std::size_t>(n);
        const std::vector<bfloat16> a = integers(64 * 64, 1), b = integers(columns * 64, 2);
        const std::vector<float> d = wgmma_registers(a, b, n, along_m, along_n);
        for (std::size_t i = 0; i < 64; ++i)
          for (std::size_t j = 0; j < columns; ++j) {
            float sum = 0.0f;
            for (std::size_t k = 0; k < 64; ++k)
              sum += float(along_m ? a[k * 64 + i] : a[i * 64 + k]) *
                     float(along_n ? b[k * columns + j] : b[j * 64 + k]);
            const std::size_t thread = i / 16 * 32 + kLane[i % 8][j % 8 / 2];
            const std::size_t place = j / 8 * 4 + kRegister[i % 16 / 8][j % 2];
            CAPTURE(n, along_m, along_n, i, j);
            REQUIRE(d[thread * columns / 2 + place] == sum);
          }
        // The wider ones would be large files that say no more.
        if (n == 16)
          compare_with_golden(
              std::string("wgmma_a_") + (along_m ? "m" : "k") + "_b_" + (along_n ? "n" : "k"),
              bits_of(d));
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
