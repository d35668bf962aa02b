#include "pictures/dataset_cache.h"

#include <array>
#include <cctype>
#include <cstring>
#include <iomanip>
#include <sstream>
#include <string_view>
#include <system_error>
#include <type_traits>

#include <whisker/core/atomic_file.h>

#include "pictures/content_hash.h"
#include "pictures/file_io.h"

namespace catgan {
namespace {

namespace fs = std::filesystem;
using whisker::check;
using whisker::InputError;
using whisker::str;

// Raise it when the layout changes, or the decoder, the orientation rules, the filter or what is
// skipped: old caches are then decoded again.
constexpr std::uint32_t kFormatVersion = 2;
constexpr std::array<char, 8> kMagic = {'C', 'A', 'T', 'G', 'A', 'N', 'P', 'X'};

/// The first bytes of the file, little-endian; the folder with the skipped files and the pixels
/// follow.
struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kFormatVersion;
  std::uint32_t image_size = 0;
  std::uint64_t key = 0;
  std::uint64_t pixel_bytes = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t skipped_bytes = 0;
  std::uint64_t skipped_hash = 0;
  std::uint64_t pixel_hash = 0;
  std::uint64_t header_hash = 0;  // of the fields before it
};
static_assert(std::is_trivially_copyable_v<Header> && sizeof(Header) == 72);

std::span<const std::uint8_t> bytes_of(const Header& header) {
  return {reinterpret_cast<const std::uint8_t*>(&header), sizeof header};
}

std::uint64_t hash_of(const Header& header) {
  return content_hash(bytes_of(header).first(offsetof(Header, header_hash)));
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void append(std::vector<std::uint8_t>& out, std::span<const std::uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <class Number>
void append_number(std::vector<std::uint8_t>& out, Number number) {
  std::array<std::uint8_t, sizeof number> bytes{};
  std::memcpy(bytes.data(), &number, sizeof number);
  append(out, bytes);
}

void append_text(std::vector<std::uint8_t>& out, std::string_view text) {
  append_number(out, static_cast<std::uint32_t>(text.size()));
  append(out, bytes_of(text));
}

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::uint8_t> bytes) : left_(bytes) {}

  std::uint32_t number() {
    std::uint32_t value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() {
    const auto bytes = take(number());
    return {bytes.begin(), bytes.end()};
  }
  bool at_end() const { return left_.empty(); }

 private:
  std::span<const std::uint8_t> take(std::size_t count) {
    check<InputError>(count <= left_.size(), "its list of skipped files is broken");
    const auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }

  std::span<const std::uint8_t> left_;
};

std::vector<std::uint8_t> pack(const std::string& folder, const std::vector<SkippedFile>& files) {
  std::vector<std::uint8_t> out;
  append_text(out, folder);
  for (const SkippedFile& file : files) {
    append_number(out, static_cast<std::uint32_t>(file.fault));
    append_text(out, file.path);
    append_text(out, file.reason);
  }
  return out;
}

std::vector<SkippedFile> unpack(std::span<const std::uint8_t> bytes) {
  std::vector<SkippedFile> files;
  ByteReader reader(bytes);
  reader.text();  // the folder
  while (!reader.at_end()) {
    const std::uint32_t fault = reader.number();
    check<InputError>(fault <= static_cast<std::uint32_t>(kLastFault),
                      "its list of skipped files is broken");
    std::string path = reader.text();
    files.push_back({std::move(path), static_cast<Fault>(fault), reader.text()});
  }
  return files;
}

std::uint64_t picture_bytes(std::uint32_t image_size) {
  return std::uint64_t{3} * image_size * image_size;
}

Header read_header(InputFile& file) {
  Header header;
  const std::size_t got = file.read({reinterpret_cast<std::uint8_t*>(&header), sizeof header});
  check<InputError>(got == sizeof header, "it is cut off");
  check<InputError>(header.magic == kMagic, "it is not a cache of pictures");
  check<InputError>(header.version == kFormatVersion, "it has format ", header.version,
                    ", this program writes ", kFormatVersion);
  check<InputError>(header.header_hash == hash_of(header), "its header is damaged");
  const std::uint64_t size = file.size();
  check<InputError>(header.pixel_bytes <= size && header.skipped_bytes <= size &&
                        sizeof header + header.skipped_bytes + header.pixel_bytes == size,
                    "it is cut off or too long");
  check<InputError>(header.image_size >= 1 && header.image_size <= kMaxSide,
                    "its header is damaged");
  check<InputError>(header.pixel_bytes % picture_bytes(header.image_size) == 0,
                    "it ends inside a picture");
  return header;
}

fs::path canonical_or_same(const fs::path& folder) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(folder, error);
  return error ? folder : whole;
}

}  // namespace

std::uint64_t dataset_key(std::span<const FileIdentity> files, int image_size, Fit fit) {
  std::vector<std::uint8_t> listing;
  append_number(listing, kFormatVersion);
  append_number(listing, image_size);
  append_text(listing, fit_name(fit));
  for (const FileIdentity& file : files) {
    append_text(listing, file.path);
    append_number(listing, file.content);
  }
  return content_hash(listing);
}

fs::path cache_file(const fs::path& cache_folder, const fs::path& picture_folder, int image_size,
                    Fit fit) {
  const fs::path whole = canonical_or_same(picture_folder);
  std::string name = whole.filename().string();
  for (char& letter : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(letter)) || letter == '-';
    if (!plain) letter = '_';
  }
  name.resize(std::min<std::size_t>(name.size(), 64));
  std::ostringstream file;
  file.exceptions(std::ios::badbit);  // out of memory must not cut it
  file << name << '-' << image_size << '-' << fit_name(fit) << '-' << std::hex << std::setfill('0')
       << std::setw(16) << content_hash(bytes_of(whole.string())) << kCacheEnding;
  return cache_folder / file.str();
}

std::optional<DecodedPictures> load_cache(const fs::path& path, std::uint64_t key, int image_size) {
  if (!fs::exists(path)) return std::nullopt;
  InputFile file(path);
  check<InputError>(file.is_regular(), "it is not a regular file");
  const Header header = read_header(file);
  check<InputError>(
      header.key == key && header.image_size == static_cast<std::uint32_t>(image_size),
      "the folder's pictures have changed");
  std::vector<std::uint8_t> skipped(header.skipped_bytes);
  DecodedPictures pictures;
  pictures.pixels.resize(header.pixel_bytes);
  check<InputError>(
      file.read(skipped) == skipped.size() && file.read(pictures.pixels) == pictures.pixels.size(),
      "it is cut off");
  check<InputError>(content_hash(skipped) == header.skipped_hash &&
                        content_hash(pictures.pixels) == header.pixel_hash,
                    "its checksum does not match");
  pictures.duplicates = header.duplicates;
  pictures.skipped = unpack(skipped);
  file.touch();
  return pictures;
}

CacheInfo read_cache_info(const fs::path& path) {
  InputFile file(path);
  check<InputError>(file.is_regular(), "it is not a regular file");
  const Header header = read_header(file);
  std::vector<std::uint8_t> notes(header.skipped_bytes);
  check<InputError>(file.read(notes) == notes.size(), "it is cut off");
  check<InputError>(content_hash(notes) == header.skipped_hash, "its checksum does not match");
  ByteReader reader(notes);
  return {reader.text(), header.pixel_bytes / picture_bytes(header.image_size),
          static_cast<int>(header.image_size)};
}

void store_cache(const fs::path& path, std::uint64_t key, const fs::path& picture_folder,
                 int image_size, const DecodedPictures& pictures) {
  const std::vector<std::uint8_t> skipped =
      pack(canonical_or_same(picture_folder).string(), pictures.skipped);
  Header header;
  header.image_size = static_cast<std::uint32_t>(image_size);
  header.key = key;
  header.pixel_bytes = pictures.pixels.size();
  header.duplicates = pictures.duplicates;
  header.skipped_bytes = skipped.size();
  header.skipped_hash = content_hash(skipped);
  header.pixel_hash = content_hash(pictures.pixels);
  header.header_hash = hash_of(header);
  if (path.has_parent_path()) {
    fs::create_directories(path.parent_path());
    whisker::remove_stale_temporaries(path.parent_path());
  }
  const std::array parts = {std::as_bytes(bytes_of(header)), std::as_bytes(std::span(skipped)),
                            std::as_bytes(std::span(pictures.pixels))};
  whisker::write_file_atomically(path, parts);
}

}  // namespace catgan
