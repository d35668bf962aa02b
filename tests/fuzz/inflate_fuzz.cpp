// Zlib streams: as they come, and with the checksum of what they hold appended, which no mutation
// would hit. stb_image must unpack whatever is taken to the same bytes.
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#include <algorithm>
#include <stb/stb_image.h>
#include <vector>

#include "pictures/image_check.h"
#include "pictures/inflate.h"
#include "target.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kMost = std::size_t{1} << 20;

/// What was unpacked before the end or the first fault.
Bytes check_stream(std::span<const std::uint8_t> stream) {
  Bytes out;
  const auto whole = fuzz::attempt<catgan::ImageError>("", [&] {
    catgan::inflate_zlib(stream, kMost,
                         [&](auto piece) { out.insert(out.end(), piece.begin(), piece.end()); });
    return true;
  });
  fuzz::require(out.size() <= kMost, "no more is unpacked than was asked for");
  if (!whole) return out;

  int size = 0;
  char* const other = stbi_zlib_decode_malloc(reinterpret_cast<const char*>(stream.data()),
                                              static_cast<int>(stream.size()), &size);
  fuzz::require(other != nullptr, "stb_image unpacks what is taken");
  const bool same = std::equal(out.begin(), out.end(), other, other + size,
                               [](std::uint8_t a, char b) { return a == std::uint8_t(b); });
  std::free(other);
  fuzz::require(same, "stb_image unpacks the same bytes");
  return out;
}

void append_adler32(Bytes& stream, const Bytes& content) {
  std::uint32_t a = 1, b = 0;
  for (const std::uint8_t byte : content) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  for (const std::uint32_t part : {b >> 8, b & 0xFF, a >> 8, a & 0xFF})
    stream.push_back(static_cast<std::uint8_t>(part));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes content = check_stream({data, size});
  Bytes mended(data, data + size);
  append_adler32(mended, content);
  check_stream(mended);
  return 0;
}
