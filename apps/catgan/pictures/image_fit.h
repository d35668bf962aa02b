// Pictures of any size and shape into squares of one size.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "pictures/image_decode.h"

namespace catgan {

/// cover: the largest centred square is kept, the rest cut off. stretch: all is kept, squeezed.
enum class Fit { cover, stretch };

/// "cover" or "stretch". Throws whisker::Error for any other name.
Fit parse_fit(std::string_view name);
const char* fit_name(Fit fit);

/// Resizes to [size, size, 3] with a triangle filter that widens with the reduction, so that a
/// smaller picture has no aliases; enlarging is bilinear interpolation. The convolution form is
/// that of Heckbert, "Zoom" (Graphics Gems III, 1992). Integer arithmetic: equal on every machine.
/// Throws whisker::Error unless size >= 1 and the picture has pixels.
std::vector<std::uint8_t> fit_image(const Image& image, int size, Fit fit);

}  // namespace catgan
