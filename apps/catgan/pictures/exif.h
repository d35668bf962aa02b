// The one note about a picture that matters to training: which way up it is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace catgan {

/// The Orientation tag of a TIFF block as EXIF 2.3 section 4.6 lays it out, if the block has one.
/// A broken block has none: a bad camera note must not cost a good picture.
std::optional<int> exif_orientation(std::span<const std::uint8_t> tiff);

/// The first tiff:Orientation of an XMP packet, as an attribute or an element.
std::optional<int> xmp_orientation(std::string_view packet);

/// Which of the two notes counts: EXIF before XMP. 1 to 8; 1 (as stored) for anything else.
int orientation_of(std::optional<int> exif, std::optional<int> xmp);

}  // namespace catgan
