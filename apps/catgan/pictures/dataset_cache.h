// Decoded pictures kept on disk, so that a second run starts at once. A cache file is used only if
// it fits the folder's present content to the byte; anything else is decoded again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pictures/census.h"
#include "pictures/image_fit.h"

namespace catgan {

/// What decoding a listing gave.
struct DecodedPictures {
  std::vector<std::uint8_t> pixels;  // [pictures, size, size, 3]
  std::size_t duplicates = 0;
  std::vector<SkippedFile> skipped;  // candidates that were no usable pictures
};

/// One candidate as far as the cache is concerned.
struct FileIdentity {
  std::string path;
  std::uint64_t content = 0;  // content_hash of its bytes, or of the reason why there are none
};

/// Changes with every name and byte of the folder, the size, the fit and the program's decoder.
std::uint64_t dataset_key(std::span<const FileIdentity> files, int image_size, Fit fit);

/// Where the pictures of a folder are cached: one file for each folder, size and fit.
std::filesystem::path cache_file(const std::filesystem::path& cache_folder,
                                 const std::filesystem::path& picture_folder, int image_size,
                                 Fit fit);

/// The cache file's content, or nothing if there is no such file; notes the use for list_caches().
/// Throws whisker::InputError with
/// the reason if it is not a whole cache of this key, std::system_error if it cannot be read.
std::optional<DecodedPictures> load_cache(const std::filesystem::path& path, std::uint64_t key,
                                          int image_size);

/// Writes it atomically, makes the folder if need be, and removes what killed writers left there.
/// Throws whisker::IoError, std::system_error.
void store_cache(const std::filesystem::path& path, std::uint64_t key,
                 const std::filesystem::path& picture_folder, int image_size,
                 const DecodedPictures& pictures);

inline constexpr const char* kCacheEnding = ".pictures";

/// What a cache file says about itself.
struct CacheInfo {
  std::string picture_folder;
  std::uint64_t pictures = 0;
  int image_size = 0;
};

/// Throws whisker::InputError if it is no cache of this program's format, std::system_error.
CacheInfo read_cache_info(const std::filesystem::path& path);

}  // namespace catgan
