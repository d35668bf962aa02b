#include "pictures/image_decode.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

#include "pictures/file_io.h"
#include "pictures/stb_decode.h"

namespace catgan {
namespace {

using whisker::str;

// Pictures beyond this decode one at a time, so that the cores together cannot exhaust memory.
constexpr std::size_t kBigPicturePixels = std::size_t{16} << 20;

std::size_t product(int a, int b) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
}

std::uint8_t over_white(unsigned value, unsigned alpha) {
  return static_cast<std::uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

Image to_rgb(DecodedSamples decoded) {
  if (decoded.channels == 3) return {decoded.width, decoded.height, std::move(decoded.samples)};
  const std::size_t pixels = product(decoded.width, decoded.height);
  const std::size_t channels = static_cast<std::size_t>(decoded.channels);
  Image image{decoded.width, decoded.height, {}};
  image.rgb.resize(pixels * 3);
  const bool has_alpha = channels == 2 || channels == 4;
  const std::size_t green = channels == 4 ? 1 : 0, blue = channels == 4 ? 2 : 0;
  const std::uint8_t* in = decoded.samples.data();
  std::uint8_t* out = image.rgb.data();
  for (std::size_t i = 0; i < pixels; ++i, in += channels, out += 3) {
    const unsigned alpha = has_alpha ? in[channels - 1] : 255u;
    out[0] = over_white(in[0], alpha);
    out[1] = over_white(in[green], alpha);
    out[2] = over_white(in[blue], alpha);
  }
  return image;
}

/// How the shown picture's (x, y) finds its pixel: swap x and y, then mirror each.
struct Orientation {
  bool transposed, mirror_x, mirror_y;
};

// In the order of EXIF's values 1 to 8.
constexpr std::array<Orientation, 8> kOrientations = {{{false, false, false},
                                                       {false, true, false},
                                                       {false, true, true},
                                                       {false, false, true},
                                                       {true, false, false},
                                                       {true, false, true},
                                                       {true, true, true},
                                                       {true, true, false}}};

Image turn_upright(Image stored, int orientation) {
  if (orientation == 1) return stored;
  const Orientation turn = kOrientations.at(static_cast<std::size_t>(orientation - 1));
  Image shown{stored.width, stored.height, {}};
  if (turn.transposed) std::swap(shown.width, shown.height);
  shown.rgb.resize(stored.rgb.size());
  std::uint8_t* out = shown.rgb.data();
  for (int y = 0; y < shown.height; ++y) {
    for (int x = 0; x < shown.width; ++x, out += 3) {
      int column = turn.transposed ? y : x, row = turn.transposed ? x : y;
      if (turn.mirror_x) column = stored.width - 1 - column;
      if (turn.mirror_y) row = stored.height - 1 - row;
      const std::uint8_t* in =
          stored.rgb.data() + 3 * (product(row, stored.width) + static_cast<std::size_t>(column));
      out[0] = in[0];
      out[1] = in[1];
      out[2] = in[2];
    }
  }
  return shown;
}

// stb_image leaves colours beyond the palette's end uninitialised; here they become black.
std::vector<std::uint8_t> with_full_palette(std::span<const std::uint8_t> bytes, std::size_t at) {
  constexpr std::size_t kFullBytes = 3 * 256;
  const auto chunk = bytes.subspan(at);
  const std::size_t length = std::size_t{chunk[2]} << 8 | chunk[3];
  std::vector<std::uint8_t> result(bytes.begin(), chunk.begin() + 8);
  result[at + 2] = kFullBytes >> 8;
  result[at + 3] = kFullBytes & 0xFF;
  result.insert(result.end(), chunk.begin() + 8, chunk.begin() + 8 + static_cast<long>(length));
  result.resize(at + 8 + kFullBytes, 0);
  result.insert(result.end(), chunk.begin() + 8 + static_cast<long>(length), chunk.end());
  return result;
}

// stb_image guesses colors from several notes, not as libjpeg does. It gets a stream with one note,
// Adobe's, that says what check_image found.
std::vector<std::uint8_t> with_plain_colors(std::span<const std::uint8_t> bytes,
                                            const ImageStream& stream) {
  std::uint8_t transform = 0;
  if (stream.colors == JpegColors::ycbcr) transform = 1;
  if (stream.colors == JpegColors::ycck) transform = 2;
  const std::array<std::uint8_t, 16> note = {0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b',
                                             'e',  0,    0, 0,  0,   0,   0,   transform};
  constexpr std::size_t kStartOfImage = 2;
  std::vector<std::uint8_t> result(note.size() + bytes.size());
  std::copy_n(bytes.begin(), kStartOfImage, result.begin());
  std::copy(note.begin(), note.end(), result.begin() + kStartOfImage);
  std::copy(bytes.begin() + kStartOfImage, bytes.end(),
            result.begin() + kStartOfImage + note.size());
  for (const BytePatch& patch : stream.patches)
    result[note.size() + patch.offset] = patch.value;
  return result;
}

DecodedSamples decode_samples(std::span<const std::uint8_t> bytes, const ImageStream& stream) {
  static std::mutex one_big_picture;
  std::unique_lock lock(one_big_picture, std::defer_lock);
  if (product(stream.width, stream.height) > kBigPicturePixels) lock.lock();
  const auto whole = bytes.first(stream.bytes);
  const std::size_t budget = decode_budget(stream);
  if (stream.format == ImageFormat::jpeg)
    return stb_decode(with_plain_colors(whole, stream), budget);
  if (stream.palette_at != 0)
    return stb_decode(with_full_palette(whole, stream.palette_at), budget);
  return stb_decode(whole, budget);
}

}  // namespace

std::size_t decode_budget(const ImageStream& stream) {
  constexpr std::size_t kTables = std::size_t{256} << 10;
  constexpr int kPadding = 64;  // decoders round up to whole blocks; the largest is 32 pixels
  const std::size_t pixels = product(stream.width + kPadding, stream.height + kPadding);
  const std::size_t channels = static_cast<std::size_t>(stream.channels);
  std::size_t bytes_per_pixel = 0;
  if (stream.format == ImageFormat::jpeg)
    bytes_per_pixel = (stream.progressive ? 3 : 1) * channels + 4;  // coefficients, planes, result
  else
    bytes_per_pixel =
        4 * 4 * (stream.bit_depth == 16 ? 2u : 1u);  // unpacked, unfiltered, converted
  return kTables + 2 * stream.bytes + pixels * bytes_per_pixel;
}

Image decode_image(std::span<const std::uint8_t> bytes) {
  const ImageStream stream = check_image(bytes);
  DecodedSamples decoded = decode_samples(bytes, stream);
  if (decoded.width != stream.width || decoded.height != stream.height)
    throw ImageError(Fault::damaged, "decodes to another size than its header says");
  Image image = turn_upright(to_rgb(std::move(decoded)), stream.orientation);
  image.own_kind = stream.own_kind;
  return image;
}

std::vector<std::uint8_t> read_image_file(const std::filesystem::path& path) try {
  InputFile file(path);
  if (!file.is_regular()) throw ImageError(Fault::special_file, "is not a regular file");
  const std::uintmax_t size = file.size();
  if (size > kMaxFileBytes)
    throw ImageError(Fault::too_large,
                     str("has ", size, " bytes; at most ", kMaxFileBytes, " are read"));
  std::vector<std::uint8_t> bytes(std::min<std::uintmax_t>(size, kHeadBytes));
  const std::size_t head = file.read(bytes);
  const bool whole = head == bytes.size() && begins_as_picture(bytes);
  if (whole) bytes.resize(size);
  bytes.resize(head + (whole ? file.read(std::span(bytes).subspan(head)) : 0));
  return bytes;
} catch (const std::system_error& error) {
  throw ImageError(Fault::unreadable, str("cannot be read: ", error.code().message()));
}

Image load_image(const std::filesystem::path& path) try {
  return decode_image(read_image_file(path));
} catch (const ImageError& error) {
  const std::string message = str(path.string(), ": ", error.what());
  if (error.fault() == Fault::unreadable) throw whisker::IoError(message);
  throw ImageError(error.fault(), message);
}

}  // namespace catgan
