// Is this byte stream a whole JPEG or PNG? Answered from the stream itself, before any decoder
// runs, because stb_image decodes cut-off files without a word and trusts lengths that it has not
// checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <whisker/kernels/check.h>

namespace catgan {

inline constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;
inline constexpr int kMaxSide = 16384;
inline constexpr std::size_t kMaxPixels = std::size_t{64} << 20;

/// Why a file is not a training picture; the order is the one in which a census lists them.
enum class Fault {
  truncated,
  damaged,
  empty,
  foreign_format,  // a picture, but neither JPEG nor PNG
  unsupported,     // a kind of JPEG or PNG that is not read
  too_large,
  unknown_data,  // named like a picture, is none
  unreadable,
  special_file,  // pipe, socket or device: never opened
  not_a_picture,
  link,        // dangling, or to a folder that has been read already
  own_output,  // made by catgan: a run folder, a grid, a generated picture
};
inline constexpr Fault kLastFault = Fault::own_output;

/// The heading under which a census lists the fault, e.g. "truncated".
const char* fault_name(Fault fault);

/// A picture that cannot be used. The message is the reason; who knows the path puts it in front.
class ImageError : public whisker::InputError {
 public:
  ImageError(Fault fault, const std::string& reason) : InputError(reason), fault_(fault) {}
  Fault fault() const { return fault_; }

 private:
  Fault fault_;
};

enum class ImageFormat { jpeg, png };

/// What the components of a JPEG stand for.
enum class JpegColors { grey, ycbcr, rgb, cmyk, ycck };

/// One byte of a stream that the decoder shall see as another.
struct BytePatch {
  std::size_t offset = 0;
  std::uint8_t value = 0;
};

/// What the headers of a checked stream say.
struct ImageStream {
  ImageFormat format = ImageFormat::jpeg;
  int width = 0;  // as stored: before orientation
  int height = 0;
  int channels = 0;
  int bit_depth = 8;
  bool progressive = false;              // JPEG
  JpegColors colors = JpegColors::grey;  // JPEG
  std::vector<BytePatch> patches;        // JPEG: they hide what might suggest other colors
  int orientation = 1;                   // EXIF: 1 as stored, 2 to 8 mirrored or rotated
  std::string own_kind;                  // PNG: what catgan made it as, such as "grid"
  std::size_t bytes = 0;                 // up to and with the end marker; what follows is ignored
  std::size_t palette_at = 0;            // PNG: offset of the PLTE chunk, 0 for none
};

/// Checks a file's bytes from the first to the end marker. Throws ImageError with the reason.
ImageStream check_image(std::span<const std::uint8_t> bytes);

/// Whether a file that begins so may be a JPEG or PNG; kHeadBytes of it are enough.
bool begins_as_picture(std::span<const std::uint8_t> head);
inline constexpr std::size_t kHeadBytes = 64;

/// Throws ImageError(too_large) unless 1 <= side <= kMaxSide and width*height <= kMaxPixels.
void check_dimensions(std::uint64_t width, std::uint64_t height);

}  // namespace catgan
