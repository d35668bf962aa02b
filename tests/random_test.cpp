#include <algorithm>
#include <cmath>
#include <set>

#include <whisker/core/random.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

using kernels::philox4x32;
using kernels::PhiloxCounter;

struct Moments {
  double mean = 0.0, stddev = 0.0, lowest = 0.0, highest = 0.0;
};

Moments moments_of(const Tensor& x) {
  const Array a = to_array(x);
  const double n = static_cast<double>(a.shape.numel());
  Moments m{.lowest = a[0], .highest = a[0]};
  for (const double value : a.values) {
    m.mean += value / n;
    m.lowest = std::min(m.lowest, value);
    m.highest = std::max(m.highest, value);
  }
  for (const double value : a.values)
    m.stddev += (value - m.mean) * (value - m.mean) / n;
  m.stddev = std::sqrt(m.stddev);
  return m;
}

/// Pearson's statistic of equally likely bins, in standard deviations from its mean.
double chi_square_excess(const std::vector<std::int64_t>& counts) {
  std::int64_t total = 0;
  for (const std::int64_t count : counts)
    total += count;
  const double expected = static_cast<double>(total) / static_cast<double>(counts.size());
  double statistic = 0.0;
  for (const std::int64_t count : counts) {
    const double distance = static_cast<double>(count) - expected;
    statistic += distance * distance / expected;
  }
  const double freedom = static_cast<double>(counts.size() - 1);
  return (statistic - freedom) / std::sqrt(2.0 * freedom);
}

constexpr std::int64_t kMany = 1'000'000;

}  // namespace

TEST_CASE("Philox gives the words of its authors' known-answer tests", "[random]") {
  // Random123's kat_vectors, philox4x32 with 10 rounds.
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) ==
        PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("uniform numbers fill their range evenly", "[random]") {
  const Tensor x = random_uniform({kMany}, -2.0f, 3.0f, {.seed = 1});
  const Moments m = moments_of(x);
  // Five standard errors: a correct generator fails one seed in two million, and this seed is
  // fixed.
  const double error = 5.0 * 5.0 / std::sqrt(12.0 * kMany);
  CHECK(m.mean == Approx(0.5).margin(error));
  CHECK(m.stddev == Approx(5.0 / std::sqrt(12.0)).margin(error));
  CHECK(m.lowest >= -2.0);
  CHECK(m.highest < 3.0);
  std::vector<std::int64_t> counts(1000);
  for (const double value : to_array(x).values)
    ++counts.at(static_cast<std::size_t>((value + 2.0) / 5.0 * 1000.0));
  CHECK(std::abs(chi_square_excess(counts)) < 5.0);
}

TEST_CASE("uniform numbers stay below the upper end of their range", "[random]") {
  // The range is 8 float32 values wide: one draw in 16 would be rounded to the upper end.
  const float high = 1.0f + 0x1p-20f;
  for (const double value : to_array(random_uniform({10'000}, 1.0f, high, {.seed = 1})).values)
    if (value < 1.0 || value >= high) FAIL(value);
  RandomSequence draws({.seed = 1});
  for (int i = 0; i < 10'000; ++i)
    if (draws.uniform(1.0f, high) >= high) FAIL("draw " << i);
  CHECK(random_uniform({1}, 2.0f, 2.0f, {.seed = 1}).item() == 2.0);
}

TEST_CASE("normal numbers have the moments and tails of a normal distribution", "[random]") {
  const Tensor x = random_normal({kMany}, 1.0f, 2.0f, {.seed = 1});
  const Moments m = moments_of(x);
  CHECK(m.mean == Approx(1.0).margin(5.0 * 2.0 / std::sqrt(kMany)));
  CHECK(m.stddev == Approx(2.0).margin(5.0 * 2.0 / std::sqrt(2.0 * kMany)));
  // Through its own distribution function a normal number is uniform.
  std::vector<std::int64_t> counts(200);
  for (const double value : to_array(x).values) {
    const double quantile = 0.5 * std::erfc(-(value - 1.0) / 2.0 / std::sqrt(2.0));
    ++counts.at(std::min<std::size_t>(static_cast<std::size_t>(quantile * 200.0), 199));
  }
  CHECK(std::abs(chi_square_excess(counts)) < 5.0);
}

TEST_CASE("truncated normal numbers end at two standard deviations", "[random]") {
  const Tensor x = random_truncated_normal({kMany}, 0.5f, 0.02f, {.seed = 1});
  const Moments m = moments_of(x);
  CHECK(m.lowest >= 0.5 - 0.04 - 1e-7);
  CHECK(m.highest <= 0.5 + 0.04 + 1e-7);
  CHECK(m.mean == Approx(0.5).margin(5.0 * 0.02 / std::sqrt(kMany)));
  // The standard deviation that is left after the tails are cut at 2.
  CHECK(m.stddev == Approx(0.02 * 0.8796).epsilon(0.002));
  // Drawn again, not clamped: nothing piles up at the ends.
  std::int64_t at_the_end = 0;
  for (const double value : to_array(x).values)
    at_the_end += std::abs(value - 0.5) > 0.02 * 1.999;
  // The density there times the width, times two ends: about 113 of a million.
  CHECK(at_the_end < 200);
}

TEST_CASE("neighbouring numbers, streams, steps and seeds are independent", "[random]") {
  const auto draw = [](RandomKey key) { return to_array(random_normal({kMany}, 0.0f, 1.0f, key)); };
  const auto correlation = [](const Array& a, const Array& b, std::int64_t lag) {
    double total = 0.0;
    for (std::int64_t i = 0; i + lag < kMany; ++i)
      total += a[i] * b[i + lag];
    return total / kMany;
  };
  const Array x = draw({.seed = 1});
  const double limit = 5.0 / std::sqrt(kMany);
  for (const std::int64_t lag : {1, 2, 3, 4, 8})
    CHECK(std::abs(correlation(x, x, lag)) < limit);
  for (const RandomKey key : {RandomKey{.seed = 2}, RandomKey{.seed = 1, .stream = 1},
                              RandomKey{.seed = 1, .step = 1}, RandomKey{.seed = 1ull << 32}})
    CHECK(std::abs(correlation(x, draw(key), 0)) < limit);
}

TEST_CASE("equal keys give equal numbers, with any number of threads", "[random]") {
  const RandomKey key{.seed = 42, .stream = 3, .step = 5};
  const auto all = [&] {
    return Tensors{random_uniform({70'001}, 0.0f, 1.0f, key),
                   random_normal({70'001}, 0.0f, 1.0f, key),
                   random_truncated_normal({70'001}, 0.0f, 1.0f, key)};
  };
  const Tensors expected = all();
  CHECK(same_bits(all(), expected));
  for (const int threads : {1, 2, 3}) {
    const ThreadScope scope(threads);
    CHECK(same_bits(all(), expected));
  }
}

TEST_CASE("a number depends on its index, not on how many are drawn", "[random]") {
  const RandomKey key{.seed = 7};
  const Tensor few = random_normal({1001}, 0.0f, 1.0f, key);
  const Tensor many = random_normal({5000}, 0.0f, 1.0f, key);
  CHECK(same_bits(few, many.view_rows(0, 1001)));
  CHECK(random_uniform({0, 3}, 0.0f, 1.0f, key).numel() == 0);
}

TEST_CASE("a tensor of uniform numbers is the sequence of scalar ones", "[random]") {
  const RandomKey key{.seed = 9, .stream = 2, .step = 1};
  const Tensor x = random_uniform({99}, -1.0f, 2.0f, key);
  RandomSequence draws(key);
  for (const float value : x.to_vector<float>())
    CHECK(value == draws.uniform(-1.0f, 2.0f));
}

TEST_CASE("a permutation contains every number once and favours no place", "[random]") {
  for (const std::uint32_t n : {0u, 1u, 2u, 1000u}) {
    std::vector<std::uint32_t> order = random_permutation(n, {.seed = 3});
    std::sort(order.begin(), order.end());
    for (std::uint32_t i = 0; i < n; ++i)
      CHECK(order.at(i) == i);
    CHECK(order.size() == n);
  }
  CHECK(random_permutation(1000, {.seed = 3}) == random_permutation(1000, {.seed = 3}));
  CHECK(random_permutation(1000, {.seed = 3}) != random_permutation(1000, {.seed = 3, .step = 1}));
  // Where 0 lands, and which of the 24 orders of four things comes up.
  std::vector<std::int64_t> places(10), orders(256);
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    const auto ten = random_permutation(10, {.seed = 4, .step = step});
    ++places[static_cast<std::size_t>(std::find(ten.begin(), ten.end(), 0u) - ten.begin())];
    const auto four = random_permutation(4, {.seed = 5, .step = step});
    ++orders.at(four[0] * 64 + four[1] * 16 + four[2] * 4 + four[3]);
  }
  CHECK(std::abs(chi_square_excess(places)) < 5.0);
  std::erase(orders, 0);
  CHECK(orders.size() == 24);
  CHECK(std::abs(chi_square_excess(orders)) < 5.0);
}

TEST_CASE("RandomSequence::below is even and wants a bound", "[random]") {
  RandomSequence draws({.seed = 6});
  std::vector<std::int64_t> counts(7);
  for (int i = 0; i < 70'000; ++i)
    ++counts.at(draws.below(7));
  CHECK(std::abs(chi_square_excess(counts)) < 5.0);
  CHECK(draws.below(1) == 0);
  CHECK_THROWS_AS(draws.below(0), Error);
}

TEST_CASE("a generator's draws differ, and are those of its keys one after another", "[random]") {
  Generator generator(7, 3);
  for (std::uint32_t step = 0; step < 3; ++step) {
    INFO("draw " << step);
    const RandomKey key{.seed = 7, .stream = 3, .step = step};
    CHECK(generator.position().step == step);
    CHECK(same_bits(random_normal({5}, generator), random_normal({5}, 0.0f, 1.0f, key)));
  }
  const Tensor fourth = random_uniform({5}, -1.0f, 2.0f, generator);
  CHECK(same_bits(fourth, random_uniform({5}, -1.0f, 2.0f, {.seed = 7, .stream = 3, .step = 3})));
  CHECK_FALSE(same_bits(random_truncated_normal({5}, 0.0f, 1.0f, generator),
                        random_truncated_normal({5}, 0.0f, 1.0f, generator)));
  CHECK(random_permutation(20, generator) != random_permutation(20, generator));

  // Going on from a place that was kept.
  Generator resumed(generator.position());
  CHECK(same_bits(random_normal({5}, 1.0f, 2.0f, resumed),
                  random_normal({5}, 1.0f, 2.0f, generator)));
}

TEST_CASE("a generator ends before it repeats itself, and cannot be copied", "[random][errors]") {
  static_assert(!std::is_copy_constructible_v<Generator> &&
                std::is_move_constructible_v<Generator>);
  Generator generator({.seed = 1, .step = 0xFFFFFFFFu});
  CHECK(generator.next().step == 0xFFFFFFFFu);
  CHECK_THROWS_AS(generator.next(), Error);
}

}  // namespace whisker::testing
