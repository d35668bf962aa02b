// The one EXIF field that matters to training: which way up the picture is.
#pragma once

#include <cstdint>
#include <span>

namespace catgan {

/// The Orientation tag (1 to 8) of a TIFF block as EXIF 2.3 section 4.6 lays it out; 1 where the
/// block is broken or has none: a bad camera note must not cost a good picture.
int exif_orientation(std::span<const std::uint8_t> tiff);

}  // namespace catgan
