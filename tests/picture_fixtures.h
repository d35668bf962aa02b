// Picture files for the tests of catgan's input, made on the spot.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "file_fixtures.h"
#include "pictures/image_decode.h"

namespace picture_fixtures {

using Bytes = std::vector<std::uint8_t>;

using file_fixtures::ContainsSubstring;
using TemporaryFolder = file_fixtures::Folder;

/// Makes the folders above the file, too.
void write_file(const std::filesystem::path& path, std::span<const std::uint8_t> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);
Bytes read_file(const std::filesystem::path& path);

/// Red grows to the right, green downwards; blue tells pictures apart.
catgan::Image gradient(int width, int height, std::uint8_t blue = 128);

Bytes to_png(const catgan::Image& image);
Bytes to_jpeg(const catgan::Image& image, int quality = 95);

/// 24x16 with red 10x, green 15y, blue 128: progressive, and baseline with a restart marker per
/// MCU.
Bytes progressive_jpeg();
Bytes restart_jpeg();

/// One PNG chunk: length, type, data, CRC.
Bytes png_chunk(std::string_view type, std::span<const std::uint8_t> data);
/// IHDR of a picture without interlace.
Bytes png_header(std::uint32_t width, std::uint32_t height, int depth, int color_type);
/// A zlib stream (RFC 1950) of stored blocks.
Bytes zlib_stored(const Bytes& data);
/// A whole PNG around rows that are already packed (and get filter byte 0), stored uncompressed.
/// extra goes between IHDR and IDAT.
Bytes make_png(std::uint32_t width, std::uint32_t height, int depth, int color_type,
               const std::vector<Bytes>& rows, const Bytes& extra = {});

Bytes operator+(Bytes left, std::span<const std::uint8_t> right);
Bytes bytes_of(std::string_view text);

/// The JPEG with a segment put right behind its start-of-image marker.
Bytes with_segment(const Bytes& jpeg, std::uint8_t marker, std::span<const std::uint8_t> payload);
/// An EXIF payload ("Exif", TIFF) with only an orientation, for an APP1 segment.
Bytes exif_payload(int orientation, bool little_endian);

/// A baseline JPEG of 8x8 equal pixels, one component for each sample, without any APPn segment.
/// ids are the components' names.
Bytes flat_jpeg(const Bytes& samples, const Bytes& ids);

/// A folder of real pictures below $WHISKER_DATA or ../shared/data, if there is one.
std::optional<std::filesystem::path> real_pictures(std::string_view name);

}  // namespace picture_fixtures
