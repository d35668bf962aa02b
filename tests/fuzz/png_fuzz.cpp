// PNG files: as they come, and with the checksums of their chunks put right, which no mutation
// would hit.
#include <algorithm>
#include <vector>

#include "picture.h"
#include "pictures/png_check.h"

namespace {

void mend_checksums(std::vector<std::uint8_t>& png) {
  constexpr std::size_t kSignature = 8, kOverhead = 12;
  for (std::size_t at = kSignature; at + kOverhead <= png.size();) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i)
      length = length << 8 | png[at + i];
    if (length > png.size() - at - kOverhead) return;
    const std::uint32_t crc = catgan::crc32(std::span(png).subspan(at + 4, length + 4));
    for (std::size_t i = 0; i < 4; ++i)
      png[at + 8 + length + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    at += kOverhead + length;
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::check_picture({data, size});
  std::vector<std::uint8_t> mended(data, data + size);
  mend_checksums(mended);
  if (!std::equal(mended.begin(), mended.end(), data)) fuzz::check_picture(mended);
  return 0;
}
