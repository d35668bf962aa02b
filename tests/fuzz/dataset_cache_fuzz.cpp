// The cache of decoded pictures: as it comes, and with its checksums put right, which no mutation
// would hit.
#include <algorithm>
#include <cstring>
#include <vector>

#include "pictures/content_hash.h"
#include "pictures/dataset_cache.h"
#include "target.h"

namespace {

constexpr int kSize = 2;
constexpr std::uint64_t kKey = 0x6B6579;

// Offsets in the header, which dataset_cache.cpp defines.
constexpr std::size_t kKeyAt = 16, kPixelBytesAt = 24, kSkippedBytesAt = 40, kSkippedHashAt = 48,
                      kPixelHashAt = 56, kHeaderHashAt = 64, kHeaderBytes = 72;

std::uint64_t get(const std::vector<std::uint8_t>& bytes, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
void put(std::vector<std::uint8_t>& bytes, std::size_t at, std::uint64_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

void mend_checksums(std::vector<std::uint8_t>& cache) {
  if (cache.size() < kHeaderBytes) return;
  const auto all = std::span(cache);
  const std::size_t body = cache.size() - kHeaderBytes;
  const auto skipped =
      static_cast<std::size_t>(std::min<std::uint64_t>(get(cache, kSkippedBytesAt), body));
  put(cache, kKeyAt, kKey);
  put(cache, kSkippedBytesAt, skipped);
  put(cache, kPixelBytesAt, body - skipped);
  put(cache, kSkippedHashAt, catgan::content_hash(all.subspan(kHeaderBytes, skipped)));
  put(cache, kPixelHashAt, catgan::content_hash(all.subspan(kHeaderBytes + skipped)));
  put(cache, kHeaderHashAt, catgan::content_hash(all.first(kHeaderHashAt)));
}

bool same(const catgan::DecodedPictures& a, const catgan::DecodedPictures& b) {
  return a.pixels == b.pixels && a.duplicates == b.duplicates &&
         std::equal(a.skipped.begin(), a.skipped.end(), b.skipped.begin(), b.skipped.end(),
                    [](auto& x, auto& y) {
                      return x.path == y.path && x.fault == y.fault && x.reason == y.reason;
                    });
}

void check_cache(std::span<const std::uint8_t> bytes) {
  using namespace catgan;
  static const fuzz::ScratchFile file;
  file.write(bytes);
  const auto info =
      fuzz::attempt<whisker::InputError>("", [&] { return read_cache_info(file.path()); });
  const auto loaded =
      fuzz::attempt<whisker::InputError>("", [&] { return load_cache(file.path(), kKey, kSize); });
  if (!loaded) return;
  fuzz::require(loaded->has_value(), "a file that is there has content");
  const DecodedPictures& pictures = **loaded;
  fuzz::require(pictures.pixels.size() % (3 * kSize * kSize) == 0, "pictures are whole");
  fuzz::require(info && info->image_size == kSize &&
                    info->pictures == pictures.pixels.size() / (3 * kSize * kSize),
                "a cache says what is in it");
  store_cache(file.path(), kKey, "pictures", kSize, pictures);
  const auto again = load_cache(file.path(), kKey, kSize);
  fuzz::require(again && same(*again, pictures), "a cache comes back from its file as it was");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_cache({data, size});
  std::vector<std::uint8_t> mended(data, data + size);
  mend_checksums(mended);
  check_cache(mended);
  return 0;
}
