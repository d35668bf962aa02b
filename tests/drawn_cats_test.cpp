#include "drawing/drawn_cats.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "catch.h"
#include "drawing/cat_painter.h"
#include "whisker/kernels/check.h"

namespace {

using Picture = std::vector<std::uint8_t>;

Picture draw(std::uint64_t seed, std::uint32_t index, int size) {
  const auto side = static_cast<std::size_t>(size);
  Picture rgb(side * side * 3);
  catgan::draw_cat(seed, index, size, rgb.data());
  return rgb;
}

double mean_difference(const Picture& a, const Picture& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += std::abs(int{a[i]} - int{b[i]});
  return sum / static_cast<double>(a.size());
}

/// Averages blocks of 2x2 pixels; `size` is that of the result.
Picture halved(const Picture& rgb, int size) {
  const auto side = static_cast<std::size_t>(size);
  Picture result(side * side * 3);
  for (std::size_t y = 0; y < side; ++y)
    for (std::size_t i = 0; i < side * 3; ++i) {
      const std::size_t left = i / 3 * 6 + i % 3, top = 2 * y * side * 6;
      const int sum = rgb[top + left] + rgb[top + left + 3] + rgb[top + side * 6 + left] +
                      rgb[top + side * 6 + left + 3];
      result[y * side * 3 + i] = static_cast<std::uint8_t>((sum + 2) / 4);
    }
  return result;
}

/// What draw_cat says to this size; empty if it draws.
std::string refusal(int size) {
  Picture rgb(3 * 64 * 64);
  try {
    catgan::draw_cat(1, 0, size, rgb.data());
  } catch (const whisker::Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("A drawn cat depends on nothing but seed, index and size", "[drawn_cats]") {
  const Picture first = draw(7, 3, 64);
  draw(8, 4, 32);
  CHECK(draw(7, 3, 64) == first);
  CHECK(draw(7, 4, 64) != first);
  CHECK(draw(8, 3, 64) != first);
  CHECK(draw(7 + (std::uint64_t{1} << 32), 3, 64) != first);
}

TEST_CASE("Another size shows the same drawn cat", "[drawn_cats]") {
  // Whiskers and outlines finer than a pixel are sampled, not averaged: hence a few levels of 255.
  // Two different cats are some 60 levels apart.
  for (std::uint32_t index = 0; index < 40; ++index) {
    INFO("cat " << index);
    CHECK(mean_difference(halved(draw(1, index, 128), 64), draw(1, index, 64)) < 3.0);
    CHECK(mean_difference(halved(draw(1, index, 256), 128), draw(1, index, 128)) < 2.0);
  }
  CHECK(mean_difference(halved(draw(1, 0, 128), 64), draw(1, 1, 64)) > 20.0);
}

TEST_CASE("Drawn cats are varied in every part of the picture", "[drawn_cats]") {
  constexpr int kCats = 200, kSize = 32;
  std::set<Picture> seen;
  std::vector<double> sum(kSize * kSize * 3), square(sum.size());
  for (std::uint32_t index = 0; index < kCats; ++index) {
    const Picture rgb = draw(1, index, kSize);
    seen.insert(rgb);
    for (std::size_t i = 0; i < rgb.size(); ++i) {
      sum[i] += rgb[i];
      square[i] += 1.0 * rgb[i] * rgb[i];
    }
  }
  CHECK(seen.size() == kCats);
  double smallest = std::numeric_limits<double>::max(), mean = 0;
  for (std::size_t i = 0; i < sum.size(); ++i) {
    const double average = sum[i] / kCats;
    const double deviation = std::sqrt(square[i] / kCats - average * average);
    smallest = std::min(smallest, deviation);
    mean += deviation / static_cast<double>(sum.size());
  }
  CHECK(smallest > 15.0);  // levels of 255; no pixel is the same in all cats
  CHECK(mean > 40.0);
}

TEST_CASE("Every kind of coat, ear and backdrop occurs among drawn cats", "[drawn_cats]") {
  int plain = 0, striped = 0, spotted = 0, pointed = 0, patched = 0, white = 0;
  int folded = 0, open_mouths = 0, odd_eyes = 0;
  std::set<catgan::BackdropKind> backdrops;
  constexpr int kCats = 2000;
  for (std::uint32_t index = 0; index < kCats; ++index) {
    const catgan::CatTraits cat = catgan::sample_cat(1, index);
    const catgan::Coat& coat = cat.coat;
    striped += coat.stripes > 0.5f;
    spotted += coat.spots > 0;
    pointed += coat.points > 0;
    patched += coat.patches > 0;
    white += coat.blaze > 0;
    plain += coat.stripes + coat.spots + coat.points + coat.patches + coat.blaze == 0;
    folded += cat.ears.folded;
    open_mouths += cat.mouth.open > 0;
    odd_eyes += cat.eyes.left.b != cat.eyes.right.b;
    backdrops.insert(cat.backdrop.kind);
  }
  for (const int common : {plain, striped, spotted, pointed, patched, white}) {
    CHECK(common > kCats / 25);
    CHECK(common < kCats / 2);
  }
  for (const int rare : {folded, open_mouths, odd_eyes}) {
    CHECK(rare > kCats / 100);
    CHECK(rare < kCats / 8);
  }
  CHECK(backdrops.size() == static_cast<std::size_t>(catgan::BackdropKind::kCount));
}

TEST_CASE("A drawn cat has dark pupils with a bright glint where its eyes are", "[drawn_cats]") {
  constexpr int kSize = 128;
  for (std::uint32_t index = 0; index < 60; ++index) {
    const catgan::CatTraits cat = catgan::sample_cat(1, index);
    const Picture rgb = draw(1, index, kSize);
    const catgan::Frame face{cat.pose.center, cat.pose.scale, std::cos(cat.pose.roll),
                             std::sin(cat.pose.roll)};
    for (const float side : {-1.0f, 1.0f}) {
      INFO("cat " << index << ", side " << side);
      const catgan::Vec2 eye =
          face.to_canvas(catgan::turned(cat.pose, {side * cat.eyes.distance, cat.eyes.height}));
      const int column = static_cast<int>((eye.x + 1) * kSize / 2);
      const int row = static_cast<int>((eye.y + 1) * kSize / 2);
      int darkest = 255, brightest = 0;
      for (int y = row - 7; y <= row + 7; ++y)
        for (int x = column - 7; x <= column + 7; ++x) {
          const int green = rgb[static_cast<std::size_t>((y * kSize + x) * 3 + 1)];
          darkest = std::min(darkest, green);
          brightest = std::max(brightest, green);
        }
      CHECK(darkest < 40);
      CHECK(brightest > 180);
    }
  }
}

TEST_CASE("Drawn cats are refused outside the sizes that are allowed", "[drawn_cats]") {
  Picture rgb(3);
  for (const int size : {-1, 0, 7, 1025, std::numeric_limits<int>::max()})
    CHECK_THROWS_AS(catgan::draw_cat(1, 0, size, rgb.data()), whisker::Error);
  CHECK(refusal(7).find("8..1024") != std::string::npos);
  CHECK_THROWS_AS(catgan::draw_cat(1, 0, 64, nullptr), whisker::Error);
  CHECK(draw(1, 0, 8).size() == 8 * 8 * 3);
  CHECK(draw(1, 0, 1024).size() == 1024 * 1024 * 3);
}
