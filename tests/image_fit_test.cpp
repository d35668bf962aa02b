// Resizing keeps flat areas, proportions and the places of things.
#include "pictures/image_fit.h"

#include <numeric>

#include "catch.h"
#include "picture_fixtures.h"

using catgan::Fit;
using catgan::fit_image;
using catgan::Image;
using picture_fixtures::Bytes;
using picture_fixtures::ContainsSubstring;
using picture_fixtures::gradient;

namespace {

Image grey_row(const Bytes& values, int height = 1) {
  Image image{static_cast<int>(values.size()), height, {}};
  for (int y = 0; y < height; ++y) {
    for (const std::uint8_t value : values)
      image.rgb.insert(image.rgb.end(), 3, value);
  }
  return image;
}

Bytes reds(const std::vector<std::uint8_t>& rgb, std::size_t count) {
  Bytes values;
  for (std::size_t i = 0; i < count; ++i)
    values.push_back(rgb[3 * i]);
  return values;
}

}  // namespace

TEST_CASE("a square of the wanted size is left as it is", "[image_fit]") {
  const Image image = gradient(37, 37);
  CHECK(fit_image(image, 37, Fit::cover) == image.rgb);
  CHECK(fit_image(image, 37, Fit::stretch) == image.rgb);
}

TEST_CASE("a flat picture stays exactly flat at every size", "[image_fit]") {
  const Image image = grey_row(Bytes(23, 77), 31);
  for (const int size : {1, 2, 5, 16, 22, 23, 24, 64, 101}) {
    for (const Fit fit : {Fit::cover, Fit::stretch}) {
      const auto result = fit_image(image, size, fit);
      CHECK(result == Bytes(static_cast<std::size_t>(3 * size * size), 77));
    }
  }
}

TEST_CASE("white stays white when thousands of pixels make one", "[image_fit]") {
  for (const int width : {9973, 12289, 16384}) {
    const Image image = grey_row(Bytes(static_cast<std::size_t>(width), 255));
    for (const int size : {1, 2, 3, 7}) {
      INFO(width << " to " << size);
      CHECK(fit_image(image, size, Fit::stretch) ==
            Bytes(static_cast<std::size_t>(3 * size * size), 255));
    }
  }
}

TEST_CASE("enlarging interpolates between pixel centres", "[image_fit]") {
  // Output centres lie at 1/4, 3/4, 5/4, 7/4 of input pixels whose centres are 1/2 and 3/2.
  CHECK(reds(fit_image(grey_row({0, 100}, 2), 4, Fit::stretch), 4) == Bytes{0, 25, 75, 100});
}

TEST_CASE("halving weighs neighbours 1 3 3 1 over 8", "[image_fit]") {
  // The triangle of radius 2 around the border between two pixels; at the edge the 3 3 1 remain.
  const Image image = grey_row({0, 0, 240, 240, 0, 0, 0, 0}, 8);
  CHECK(reds(fit_image(image, 4, Fit::stretch), 4) == Bytes{34, 180, 30, 0});
}

TEST_CASE("reducing a fine pattern gives its mean and no aliases", "[image_fit]") {
  Bytes stripes;
  for (int i = 0; i < 120; ++i)
    stripes.push_back(i % 2 == 0 ? 0 : 200);
  const auto result = reds(fit_image(grey_row(stripes, 120), 12, Fit::cover), 12);
  for (const int value : result)
    CHECK(std::abs(value - 100) <= 3);
}

TEST_CASE("cover keeps the centred square and stretch keeps everything", "[image_fit]") {
  Bytes values(30, 10);
  std::fill(values.begin() + 10, values.begin() + 20, std::uint8_t{90});
  const Image wide = grey_row(values, 10);
  CHECK(fit_image(wide, 10, Fit::cover) == Bytes(300, 90));
  const Bytes stretched = reds(fit_image(wide, 10, Fit::stretch), 10);
  CHECK(stretched.front() == 10);
  CHECK(stretched[5] == 90);
  CHECK(stretched.back() == 10);
  Image tall{2, 6, {}};
  for (const std::uint8_t row : {1, 1, 50, 60, 9, 9})
    tall.rgb.insert(tall.rgb.end(), 6, row);
  CHECK(fit_image(tall, 2, Fit::cover) == Bytes{50, 50, 50, 50, 50, 50, 60, 60, 60, 60, 60, 60});
}

TEST_CASE("channels and rows do not mix", "[image_fit]") {
  const auto result = fit_image(gradient(100, 60, 42), 8, Fit::stretch);
  for (std::size_t y = 0; y < 8; ++y) {
    for (std::size_t x = 0; x < 8; ++x) {
      const std::uint8_t* pixel = result.data() + 3 * (8 * y + x);
      CHECK(pixel[0] == result[3 * x]);
      CHECK(pixel[1] == result[3 * 8 * y + 1]);
      CHECK(pixel[2] == 42);
      if (x > 0) CHECK(pixel[0] > pixel[-3]);
      if (y > 0) CHECK(pixel[1] > pixel[1 - 24]);
    }
  }
}

TEST_CASE("extreme shapes can be fitted", "[image_fit]") {
  CHECK(fit_image(gradient(16384, 1), 16, Fit::cover).size() == 768);
  CHECK(fit_image(gradient(16384, 1), 16, Fit::stretch).size() == 768);
  CHECK(fit_image(gradient(1, 1), 64, Fit::cover) == fit_image(gradient(1, 1), 64, Fit::stretch));
}

TEST_CASE("fits have names", "[image_fit]") {
  CHECK(catgan::parse_fit("cover") == Fit::cover);
  CHECK(catgan::parse_fit("stretch") == Fit::stretch);
  CHECK_THROWS_WITH(catgan::parse_fit("crop"), ContainsSubstring("crop"));
  CHECK_THROWS_AS(fit_image(gradient(2, 2), 0, Fit::cover), whisker::Error);
}
