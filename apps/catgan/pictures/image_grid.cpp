#include "pictures/image_grid.h"

#include <algorithm>
#include <string>

#include <whisker/core/atomic_file.h>

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
  const int across = std::min(columns, static_cast<int>(pictures.size()));
  const int rows = (static_cast<int>(pictures.size()) + across - 1) / across;
  Picture grid{across * width, rows * height, {}};
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

void write_png(const std::filesystem::path& path, const Picture& picture) {
  const std::vector<std::uint8_t> bytes =
      encode_png(picture.rgb.data(), picture.width, picture.height);
  whisker::write_file_atomically(
      path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace catgan
