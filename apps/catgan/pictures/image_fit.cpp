#include "pictures/image_fit.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace catgan {
namespace {

constexpr int kWeightBits = 20;  // weights of one output pixel sum to 1 << 20 exactly
constexpr int kBetweenBits = 8;  // extra bits that the rows keep between the two passes
constexpr std::uint32_t kBetweenHalf = 1u << (kWeightBits - kBetweenBits - 1);
constexpr std::uint64_t kFinalHalf = std::uint64_t{1} << (kWeightBits + kBetweenBits - 1);

/// The input pixels that make one output pixel: input[first + i] counts weights[i].
struct Taps {
  std::size_t first = 0;
  std::vector<std::uint32_t> weights;
};

// Rounding errors of the weights go to the largest one, so that flat areas stay exactly flat.
std::vector<std::uint32_t> to_fixed_point(const std::vector<double>& weights) {
  double sum = 0;
  for (const double weight : weights)
    sum += weight;
  std::vector<std::uint32_t> fixed;
  std::int64_t left = std::int64_t{1} << kWeightBits;
  for (const double weight : weights) {
    fixed.push_back(static_cast<std::uint32_t>(std::lround(weight / sum * (1 << kWeightBits))));
    left -= fixed.back();
  }
  auto& largest = *std::max_element(fixed.begin(), fixed.end());
  largest = static_cast<std::uint32_t>(largest + left);
  return fixed;
}

// Pixel i covers [i, i+1); output pixel o is centred on (o + 1/2) * input / output.
std::vector<Taps> triangle_taps(int input, int output) {
  const double scale = static_cast<double>(input) / output;
  const double radius = std::max(scale, 1.0);
  std::vector<Taps> all;
  for (int o = 0; o < output; ++o) {
    const double center = (o + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(std::floor(center - radius)));
    const int last = std::min(input - 1, static_cast<int>(std::ceil(center + radius)));
    std::vector<double> weights;
    for (int i = first; i <= last; ++i)
      weights.push_back(std::max(0.0, 1.0 - std::abs(i + 0.5 - center) / radius));
    all.push_back({static_cast<std::size_t>(first), to_fixed_point(weights)});
  }
  return all;
}

struct Box {
  int x, y, width, height;
};

Box box_of(const Image& image, Fit fit) {
  if (fit == Fit::stretch) return {0, 0, image.width, image.height};
  const int side = std::min(image.width, image.height);
  return {(image.width - side) / 2, (image.height - side) / 2, side, side};
}

/// One row [width, 3] to [size, 3] with kBetweenBits fractional bits.
void resize_row(const std::uint8_t* row, const std::vector<Taps>& taps,
                std::span<std::uint16_t> out) {
  std::size_t at = 0;
  for (const Taps& tap : taps) {
    std::uint32_t sums[3] = {kBetweenHalf, kBetweenHalf, kBetweenHalf};
    const std::uint8_t* in = row + 3 * tap.first;
    for (const std::uint32_t weight : tap.weights) {
      for (int c = 0; c < 3; ++c)
        sums[c] += weight * *in++;
    }
    for (const std::uint32_t sum : sums)
      out[at++] = static_cast<std::uint16_t>(sum >> (kWeightBits - kBetweenBits));
  }
}

}  // namespace

Fit parse_fit(std::string_view name) {
  if (name == "cover") return Fit::cover;
  if (name == "stretch") return Fit::stretch;
  throw whisker::Error(whisker::str("fit: expected cover or stretch, got ", name));
}

const char* fit_name(Fit fit) {
  return fit == Fit::cover ? "cover" : "stretch";
}

std::vector<std::uint8_t> fit_image(const Image& image, int size, Fit fit) {
  whisker::check(size >= 1, "fit_image: size must be at least 1, got ", size);
  whisker::check(image.width >= 1 && image.height >= 1, "fit_image: the picture has no pixels");
  const Box box = box_of(image, fit);
  const std::size_t row_length = 3 * static_cast<std::size_t>(size);
  const std::size_t stride = 3 * static_cast<std::size_t>(image.width);

  const std::vector<Taps> columns = triangle_taps(box.width, size);
  std::vector<std::uint16_t> between(static_cast<std::size_t>(box.height) * row_length);
  for (std::size_t y = 0; y < static_cast<std::size_t>(box.height); ++y) {
    const std::uint8_t* row = image.rgb.data() + (static_cast<std::size_t>(box.y) + y) * stride +
                              3 * static_cast<std::size_t>(box.x);
    resize_row(row, columns, std::span(between).subspan(y * row_length, row_length));
  }

  std::vector<std::uint8_t> result;
  result.reserve(row_length * static_cast<std::size_t>(size));
  std::vector<std::uint64_t> sums(row_length);
  for (const Taps& tap : triangle_taps(box.height, size)) {
    std::fill(sums.begin(), sums.end(), kFinalHalf);
    const std::uint16_t* in = between.data() + tap.first * row_length;
    for (const std::uint64_t weight : tap.weights) {
      for (std::uint64_t& sum : sums)
        sum += weight * *in++;
    }
    for (const std::uint64_t sum : sums)
      result.push_back(static_cast<std::uint8_t>(sum >> (kWeightBits + kBetweenBits)));
  }
  return result;
}

}  // namespace catgan
