// Conformance of the PTX wrappers, bit for bit. The tables are copied from the figures of the PTX
// ISA, not from the simulator; golden.h compares with what a GPU gave.
#include <bit>
#include <limits>

#include "catch.h"
#include "golden.h"
#include "ptx_kernels.h"

using namespace whisker::testing;
using std::uint32_t;

namespace {

// PTX ISA, figures of m16n8k16 and m16n8k8 and of ldmatrix: groupID and 2 * threadID_in_group.
constexpr int kGroup[kLanes] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3,
                                4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7};
constexpr int kPair[kLanes] = {0, 2, 4, 6, 0, 2, 4, 6, 0, 2, 4, 6, 0, 2, 4, 6,
                               0, 2, 4, 6, 0, 2, 4, 6, 0, 2, 4, 6, 0, 2, 4, 6};
constexpr int kThreadInGroup[kLanes] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
                                        0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
// Rows and columns that registers add: a0 a1, a2 a3, a4 a5, a6 a7 of bfloat16, a0..a3 of TF32.
constexpr int kRowOfA[4] = {0, 8, 0, 8};
constexpr int kColumnOfA[4] = {0, 0, 8, 8}, kColumnOfA32[4] = {0, 0, 4, 4};
constexpr int kRowOfD[4] = {0, 0, 8, 8}, kColumnOfD[4] = {0, 1, 0, 1};

uint32_t bits_of(int value) {
  return std::bit_cast<uint32_t>(static_cast<float>(value));
}
/// Exact for integers up to 256.
uint32_t pair_of(int low, int high) {
  return bits_of(low) >> 16 | (bits_of(high) & 0xFFFF0000u);
}
/// A permutation that is not its own inverse, so that a transposed b is noticed.
int permuted(int n) {
  return (3 * n + 1) % 8;
}

template <std::size_t kCount>
std::vector<uint32_t> flat(const Registers<kCount>& registers) {
  std::vector<uint32_t> words;
  for (const auto& lane : registers)
    words.insert(words.end(), lane.begin(), lane.end());
  return words;
}

/// 16-bit words that say where they are: 100 * matrix + 10 * row + column.
std::vector<std::uint16_t> numbered_matrices() {
  std::vector<std::uint16_t> words;
  for (int matrix = 0; matrix < 4; ++matrix)
    for (int row = 0; row < 8; ++row)
      for (int column = 0; column < 8; ++column)
        words.push_back(static_cast<std::uint16_t>(100 * matrix + 10 * row + column));
  return words;
}

void check_ldmatrix(const char* name, Load form, int count, bool transposed) {
  const Registers<4> actual = run_ldmatrix(form, numbered_matrices());
  for (int lane = 0; lane < kLanes; ++lane)
    for (int matrix = 0; matrix < count; ++matrix) {
      const int along = kPair[lane], across = kGroup[lane];
      const int low = transposed ? 10 * along + across : 10 * across + along;
      const int high = transposed ? 10 * (along + 1) + across : 10 * across + along + 1;
      INFO(name << ", lane " << lane << ", register " << matrix);
      REQUIRE(actual[lane][matrix] ==
              static_cast<uint32_t>((100 * matrix + low) | (100 * matrix + high) << 16));
    }
  compare_with_golden(name, flat(actual));
}

}  // namespace

TEST_CASE("ldmatrix gives lanes the words of the PTX ISA's figures", "[cuda][ptx]") {
  check_ldmatrix("ldmatrix_x4", Load::kX4, 4, false);
  check_ldmatrix("ldmatrix_x4_trans", Load::kX4Trans, 4, true);
  check_ldmatrix("ldmatrix_x2", Load::kX2, 2, false);
  check_ldmatrix("ldmatrix_x2_trans", Load::kX2Trans, 2, true);
}

TEST_CASE("mma.m16n8k16 of bfloat16 has the fragments of the PTX ISA", "[cuda][ptx]") {
  std::vector<uint32_t> seen;
  for (const int half : {0, 8}) {
    // a[row][k] = 16 row + k; column n of b picks k = half + permuted(n); d starts at 1000.
    Registers<4> a, d;
    Registers<2> b;
    for (int lane = 0; lane < kLanes; ++lane) {
      for (int i = 0; i < 4; ++i) {
        const int first = 16 * (kGroup[lane] + kRowOfA[i]) + kPair[lane] + kColumnOfA[i];
        a[lane][i] = pair_of(first, first + 1);
        d[lane][i] = bits_of(1000);
      }
      for (int i = 0; i < 2; ++i) {
        const int k = kPair[lane] + 8 * i, wanted = half + permuted(kGroup[lane]);
        b[lane][i] = pair_of(k == wanted, k + 1 == wanted);
      }
    }
    const Registers<4> actual = run_mma_bf16(a, b, d);
    for (int lane = 0; lane < kLanes; ++lane)
      for (int i = 0; i < 4; ++i) {
        const int row = kGroup[lane] + kRowOfD[i], column = kPair[lane] + kColumnOfD[i];
        INFO("lane " << lane << ", register " << i);
        REQUIRE(actual[lane][i] == bits_of(1000 + 16 * row + half + permuted(column)));
      }
    for (const uint32_t word : flat(actual))
      seen.push_back(word);
  }
  compare_with_golden("mma_m16n8k16_bf16", seen);
}

TEST_CASE("mma.m16n8k8 of TF32 has the fragments of the PTX ISA", "[cuda][ptx]") {
  Registers<4> a, d;
  Registers<2> b;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < 4; ++i) {
      a[lane][i] =
          bits_of(8 * (kGroup[lane] + kRowOfA[i]) + kThreadInGroup[lane] + kColumnOfA32[i]);
      d[lane][i] = bits_of(1000);
    }
    for (int i = 0; i < 2; ++i)
      b[lane][i] = bits_of(kThreadInGroup[lane] + 4 * i == permuted(kGroup[lane]));
  }
  const Registers<4> actual = run_mma_tf32(a, b, d);
  for (int lane = 0; lane < kLanes; ++lane)
    for (int i = 0; i < 4; ++i) {
      const int row = kGroup[lane] + kRowOfD[i], column = kPair[lane] + kColumnOfD[i];
      INFO("lane " << lane << ", register " << i);
      REQUIRE(actual[lane][i] == bits_of(1000 + 8 * row + permuted(column)));
    }
  compare_with_golden("mma_m16n8k8_tf32", flat(actual));
}

TEST_CASE("cp.async copies 16 bytes or writes zeros, group by group", "[cuda][ptx]") {
  std::vector<uint32_t> words(4 * kLanes);
  std::vector<int> wanted(kLanes);
  for (int i = 0; i < 4 * kLanes; ++i)
    words[i] = 0xABC00000u + static_cast<uint32_t>(i);
  for (int lane = 0; lane < kLanes; ++lane)
    wanted[lane] = lane % 3 != 0;
  const std::vector<uint32_t> actual = run_cp_async(words, wanted);
  for (int i = 0; i < 4 * kLanes; ++i)
    REQUIRE(actual[i] == (wanted[i / 4] ? words[i] : 0u));
  compare_with_golden("cp_async_16", actual);
}

TEST_CASE("Floats are rounded to TF32 with ties away from zero", "[cuda][ptx]") {
  const std::vector<uint32_t> from{0x3F800000u, 0x3F800FFFu, 0x3F801000u, 0x3F803000u,
                                   0xBF801000u, 0x3F801001u, 0x00000000u, 0x80000000u,
                                   0x7F800000u, 0xFF800000u, 0x7F7FFFFFu, 0x3FFFF000u};
  const std::vector<uint32_t> to{0x3F800000u, 0x3F800000u, 0x3F802000u, 0x3F804000u,
                                 0xBF802000u, 0x3F802000u, 0x00000000u, 0x80000000u,
                                 0x7F800000u, 0xFF800000u, 0x7F800000u, 0x40000000u};
  std::vector<float> values;
  for (const uint32_t bits : from)
    values.push_back(std::bit_cast<float>(bits));
  const std::vector<uint32_t> actual = run_to_tf32(values);
  CHECK(actual == to);
  compare_with_golden("to_tf32", actual);
}

TEST_CASE("Pairs of floats are rounded to bfloat16 with ties to even", "[cuda][ptx]") {
  const auto value = [](uint32_t bits) { return std::bit_cast<float>(bits); };
  const std::vector<float> values{1.0f,
                                  2.0f,
                                  value(0x3F808000u),
                                  value(0x3F818000u),
                                  value(0x3F808001u),
                                  value(0xBF807FFFu),
                                  std::numeric_limits<float>::infinity(),
                                  -0.0f,
                                  value(0x7F7FFFFFu),
                                  std::numeric_limits<float>::quiet_NaN()};
  const std::vector<uint32_t> expected{0x40003F80u, 0x3F823F80u, 0xBF803F81u, 0x80007F80u,
                                       0x7FFF7F80u};
  const std::vector<uint32_t> actual = run_to_bfloat16x2(values);
  CHECK(actual == expected);
  compare_with_golden("to_bfloat16x2", actual);
}
