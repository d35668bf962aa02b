#include "pictures/image_grid.h"

#include <algorithm>
#include <span>
#include <string>

#include <whisker/core/atomic_file.h>

#include "pictures/png_check.h"
#include "pictures/png_notes.h"
#include "pictures/stb_encode.h"

namespace catgan {

using whisker::check;
using whisker::ShapeError;

std::vector<Picture> to_pictures(const whisker::Tensor& pictures, DataRange range) {
  check<ShapeError>(pictures.rank() == 4 && pictures.dim(3) == 3, "to_pictures: wants [N,S,S,3], ",
                    "got ", pictures.shape());
  const float factor = range == DataRange::full ? 127.5f : 255.0f;
  const whisker::Tensor host = pictures.to(whisker::Device::cpu());
  const float* values = host.data<float>();
  std::vector<Picture> result(static_cast<std::size_t>(pictures.dim(0)));
  for (Picture& picture : result) {
    picture.own_kind = "generated picture";
    picture.height = static_cast<int>(pictures.dim(1));
    picture.width = static_cast<int>(pictures.dim(2));
    picture.rgb.resize(static_cast<std::size_t>(picture.height) *
                       static_cast<std::size_t>(picture.width) * 3);
    for (std::uint8_t& byte : picture.rgb)
      byte =
          static_cast<std::uint8_t>(std::clamp(*values++ * factor + 127.5f, 0.0f, 255.0f) + 0.5f);
  }
  return result;
}

Picture make_grid(const std::vector<Picture>& pictures, int columns) {
  check(!pictures.empty() && columns >= 1, "make_grid: wants pictures and columns");
  const int width = pictures[0].width, height = pictures[0].height;
  const auto count = static_cast<std::int64_t>(pictures.size());
  const std::int64_t wide = std::min<std::int64_t>(columns, count);
  const std::int64_t high = (count + wide - 1) / wide;
  check_png_size(wide * width, high * height);
  const auto across = static_cast<int>(wide);
  Picture grid{static_cast<int>(wide * width), static_cast<int>(high * height), {}, "grid"};
  grid.rgb.resize(static_cast<std::size_t>(grid.width) * static_cast<std::size_t>(grid.height) * 3);
  for (int i = 0; i < static_cast<int>(pictures.size()); ++i) {
    const Picture& picture = pictures[static_cast<std::size_t>(i)];
    check<ShapeError>(picture.width == width && picture.height == height,
                      "make_grid: wants pictures of one size");
    for (int y = 0; y < height; ++y) {
      const auto from = picture.rgb.begin() + std::ptrdiff_t{y} * width * 3;
      const std::ptrdiff_t row = std::ptrdiff_t{i / across} * height + y;
      std::copy(from, from + std::ptrdiff_t{width} * 3,
                grid.rgb.begin() + (row * grid.width + std::ptrdiff_t{i % across} * width) * 3);
    }
  }
  return grid;
}

namespace {

constexpr std::size_t kHeaderEnd = 33;  // the signature and the IHDR chunk

void append_big_endian(std::vector<std::uint8_t>& out, std::uint32_t value) {
  for (const int shift : {24, 16, 8, 0})
    out.push_back(static_cast<std::uint8_t>(value >> shift));
}

/// The PNG with a text chunk by which check_png knows it again.
std::vector<std::uint8_t> with_own_kind(std::span<const std::uint8_t> png, const char* kind) {
  const std::string text = std::string(kSoftwareKeyword) + '\0' + std::string(kOwnSoftware) + kind;
  std::vector<std::uint8_t> result(png.begin(), png.begin() + kHeaderEnd);
  append_big_endian(result, static_cast<std::uint32_t>(text.size()));
  const std::string named = "tEXt" + text;
  result.insert(result.end(), named.begin(), named.end());
  append_big_endian(result, crc32(std::span(result).subspan(kHeaderEnd + 4)));
  result.insert(result.end(), png.begin() + kHeaderEnd, png.end());
  return result;
}

}  // namespace

void write_png(const std::filesystem::path& path, const Picture& picture) {
  std::vector<std::uint8_t> bytes = encode_png(picture.rgb.data(), picture.width, picture.height);
  if (picture.own_kind != nullptr) bytes = with_own_kind(bytes, picture.own_kind);
  whisker::write_file_atomically(
      path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace catgan
