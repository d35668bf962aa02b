#include "pictures/stb_encode.h"

#include <cstdlib>
#include <new>

namespace {

/// The encoder does not look whether it got memory for what it compresses.
void* must_have(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

#define STBIW_MALLOC(size) must_have(std::malloc(size))
#define STBIW_REALLOC(memory, size) must_have(std::realloc(memory, size))
#define STBIW_FREE(memory) std::free(memory)

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

#include <whisker/kernels/check.h>

namespace catgan {
namespace {

void append(void* context, void* data, int size) {
  auto& bytes = *static_cast<std::vector<std::uint8_t>*>(context);
  const auto* begin = static_cast<const std::uint8_t*>(data);
  bytes.insert(bytes.end(), begin, begin + size);
}

}  // namespace

void check_png_size(std::int64_t width, std::int64_t height) {
  const bool fits = width >= 1 && height >= 1 && width <= kMaxPngBytes / 3 &&
                    height <= kMaxPngBytes / (3 * width + 1);
  whisker::check<whisker::IoError>(fits, "a PNG of ", width, "x", height, " cannot be written: at ",
                                   "most ", kMaxPngBytes >> 20, " MiB of pixels are possible; ",
                                   "choose a smaller --grid, or smaller pictures");
}

std::vector<std::uint8_t> encode_png(const std::uint8_t* rgb, int width, int height) {
  check_png_size(width, height);
  std::vector<std::uint8_t> bytes;
  const int done = stbi_write_png_to_func(append, &bytes, width, height, 3, rgb, width * 3);
  whisker::check<whisker::OutOfMemory>(done != 0, "encode_png: no memory for a picture of ", width,
                                       "x", height);
  return bytes;
}

}  // namespace catgan
