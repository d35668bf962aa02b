// The index functions of the few-channel kernels, walked on the host as the kernels walk them.
#include <algorithm>
#include <array>

#include <whisker/kernels/cuda/conv2d_few_channels.h>

#include "catch.h"
#include "conv2d_cases.h"
#include "reference/conv2d.h"

namespace whisker::testing {
namespace {

using namespace kernels::cuda;
using kernels::Conv2dShape;

/// One product: offsets in x, weight and y (or their gradients).
using Product = std::array<std::int64_t, 3>;
using Products = std::vector<Product>;

Products sorted(Products products) {
  std::sort(products.begin(), products.end());
  return products;
}

Products by_definition(const Conv2dShape& shape) {
  Products products;
  reference::for_each_product(shape, shape.out_h(), shape.out_w(),
                              [&](std::int64_t x, std::int64_t weight, std::int64_t y) {
                                products.push_back({x, weight, y});
                              });
  return sorted(products);
}

/// The products of one tap at one pixel of x and of y: channels by outputs.
void add_products(const Conv2dShape& s, std::int64_t x, int tap, std::int64_t y, Products& to) {
  for (std::int64_t o = 0; o < s.out_channels; ++o)
    for (std::int64_t c = 0; c < s.in_channels; ++c)
      to.push_back({x + c, (o * s.kernel_h * s.kernel_w + tap) * s.in_channels + c, y + o});
}

Products of_picture_tiles(const Conv2dShape& s) {
  const PictureTiles tiles = picture_tiles(s);
  const int patch = tiles.patch_h * tiles.patch_w.value();
  Products products;
  for (int index = 0; index < tiles.tiles; ++index) {
    const auto tile = tiles.tile(index);
    for (int row = 0; row < kPictureRows; ++row)
      for (int column = 0; column < kPictureColumns; ++column)
        for (int tap = 0; tap < tiles.taps; ++tap) {
          // Kernels read the patch for pixels outside y as well.
          const int pixel = tiles.patch_pixel(row, column) + tiles.patch_tap(tap);
          REQUIRE((pixel >= 0 && pixel < patch));
          const std::int64_t x = tiles.x_offset(tile, pixel);
          const std::int64_t y = tiles.y_offset(tile, row, column);
          if (x != kOutside && y != kOutside) add_products(s, x, tap, y, products);
        }
  }
  return sorted(products);
}

Products of_data_tiles(const Conv2dShape& s) {
  const DataTiles tiles = data_tiles(s);
  Products products;
  for (int index = 0; index < tiles.tiles; ++index) {
    const auto tile = tiles.tile(index);
    for (int h = 0; h < kDataRows; ++h)
      for (int w = 0; w < tiles.tile_width.value(); ++w) {
        if (tile.h + h >= tiles.height || tile.w + w >= tiles.width) continue;
        const std::int64_t x =
            ((tile.image * s.in_h + tile.h + h) * s.in_w + tile.w + w) * s.in_channels;
        auto [first, column] = tiles.dy_columns(tile, w);
        for (int t = first; t < s.kernel_w; t += s.stride_w, --column)
          for (int r = 0; r < s.kernel_h; ++r) {
            REQUIRE((column >= 0 && column < kDataColumns));
            const int row = tiles.dy_row(tile, h, r);
            if (row < 0) continue;
            REQUIRE(row < tiles.tile_rows);
            const std::int64_t y = tiles.dy_offset(tile, row, column);
            if (y != kOutside) add_products(s, x, r * s.kernel_w + t, y, products);
          }
      }
  }
  return sorted(products);
}

/// Borders of tiles in both directions, and the shapes that stretch the formulas.
std::vector<CudaConvCase> pictures() {
  std::vector<CudaConvCase> cases = picture_cuda_convs();
  cases.push_back({"several tiles of everything", same_shape(2, 41, 70, 1, 8, 5, 5, 1, 1)});
  cases.push_back({"the same with stride 2", same_shape(1, 41, 131, 1, 8, 5, 5, 2, 2)});
  cases.push_back(
      {"as much padding as the kernel allows",
       padded_shape(1, 18, 37, 2, 8, 4, 3, {.top = 3, .bottom = 3, .left = 3, .right = 3})});
  cases.push_back({"kernel 3 x 6, stride 4 x 5", same_shape(1, 21, 37, 4, 8, 3, 6, 4, 5)});
  return cases;
}

}  // namespace

TEST_CASE("the few-channel kernels do every product of the definition exactly once",
          "[conv2d][index]") {
  for (const CudaConvCase& c : pictures()) {
    INFO(c.remark << ", " << c.shape.to_string());
    const Products expected = by_definition(c.shape);
    CHECK((of_picture_tiles(c.shape) == expected));
    CHECK((of_data_tiles(c.shape) == expected));
  }
}

TEST_CASE("the few-channel kernels' offsets reach beyond 2^31 elements", "[conv2d][index]") {
  const Conv2dShape shape = same_shape(900, 1024, 1024, 3, 8, 1, 1, 1, 1);
  const std::int64_t last_x = shape.input_size() - 3, last_y = shape.output_size() - 8;
  REQUIRE(std::min(last_x, last_y) > std::int64_t{1} << 31);
  const PictureTiles tiles = picture_tiles(shape);
  const auto tile = tiles.tile(tiles.tiles - 1);
  CHECK(tiles.x_offset(tile, tiles.patch_pixel(kPictureRows - 1, kPictureColumns - 1)) == last_x);
  CHECK(tiles.y_offset(tile, kPictureRows - 1, kPictureColumns - 1) == last_y);
  const DataTiles data = data_tiles(shape);
  CHECK(data.dy_offset(data.tile(data.tiles - 1), kDataRows - 1, kDataColumns - 1) == last_y);
}

TEST_CASE("the few-channel kernels fit where they say", "[conv2d][index]") {
  const Conv2dShape first_of_d = same_shape(64, 128, 128, 3, 64, 5, 5, 2, 2);
  const Conv2dShape last_of_g = same_shape(64, 128, 128, 3, 64, 5, 5, 1, 1);
  constexpr std::size_t kAmpere86 = 99 * 1024;  // bytes that a block of sm_86 and sm_89 may have
  for (const Conv2dPass pass :
       {Conv2dPass::forward, Conv2dPass::backward_data, Conv2dPass::backward_weight})
    for (const Conv2dShape& shape : {first_of_d, last_of_g}) {
      CHECK(few_channels_fit(pass, shape, Conv2dMath::bfloat16, kAmpere86));
      CHECK(few_channels_fit(pass, shape, Conv2dMath::tf32, 163 * 1024));
      CHECK_FALSE(few_channels_fit(pass, shape, Conv2dMath::bfloat16, 4 * 1024));
      CHECK_FALSE(few_channels_fit(pass, same_shape(1, 8, 8, 5, 64, 5, 5, 1, 1),
                                   Conv2dMath::bfloat16, kAmpere86));
      CHECK_FALSE(few_channels_fit(pass, same_shape(1, 8, 8, 3, 65, 5, 5, 1, 1),
                                   Conv2dMath::bfloat16, kAmpere86));
      for (const kernels::Padding padding :
           {kernels::Padding{0, 5, 0, 0}, kernels::Padding{0, 0, -1, 0}})
        CHECK_FALSE(few_channels_fit(pass, padded_shape(1, 8, 8, 3, 64, 5, 1, padding),
                                     Conv2dMath::bfloat16, kAmpere86));
    }
}

}  // namespace whisker::testing
