// JPEG's own integrity: the marker walk to the end of the image.
#pragma once

#include <cstdint>
#include <span>

#include "pictures/image_check.h"

namespace catgan {

/// Walks the segments of a JPEG (ITU-T T.81 annex B) up to the end-of-image marker of the picture
/// itself: thumbnails inside APPn segments do not count, and whatever follows the end is ignored.
/// Checks that every table a scan names was defined, that every component was coded and that the
/// entropy-coded data has a code for every block.
/// Throws ImageError.
ImageStream check_jpeg(std::span<const std::uint8_t> bytes);

}  // namespace catgan
