// What must hold of any bytes that are taken for a picture.
#pragma once

#include "pictures/image_decode.h"
#include "pictures/stb_encode.h"
#include "target.h"

namespace fuzz {

inline void check_picture(std::span<const std::uint8_t> bytes) {
  using namespace catgan;
  constexpr std::int64_t kMostPixels = 1 << 18;  // more would be slow, not different

  const auto stream = attempt<ImageError>("", [&] { return check_image(bytes); });
  if (stream) {
    require(stream->width >= 1 && stream->width <= kMaxSide && stream->height >= 1 &&
                stream->height <= kMaxSide,
            "a checked picture has a size within the limits");
    require(stream->bytes <= bytes.size(), "a picture ends within its file");
    require(stream->orientation >= 1 && stream->orientation <= 8, "an orientation is from 1 to 8");
    if (std::int64_t{stream->width} * stream->height > kMostPixels) return;
  }
  const auto image =
      attempt<ImageError, whisker::OutOfMemory>("", [&] { return decode_image(bytes); });
  if (!image) return;
  require(stream.has_value(), "only checked pictures are decoded");
  const bool turned = stream->orientation >= 5;
  require(image->width == (turned ? stream->height : stream->width) &&
              image->height == (turned ? stream->width : stream->height),
          "a picture has the size that its header says");
  require(image->rgb.size() == std::size_t{3} * static_cast<std::size_t>(image->width) *
                                   static_cast<std::size_t>(image->height),
          "a picture has all its pixels");
  require(decode_image(bytes.first(stream->bytes)).rgb == image->rgb,
          "what follows a picture does not change it");

  const std::vector<std::uint8_t> png = encode_png(image->rgb.data(), image->width, image->height);
  require(decode_image(png).rgb == image->rgb, "a picture comes back from a PNG as it was");
}

}  // namespace fuzz
