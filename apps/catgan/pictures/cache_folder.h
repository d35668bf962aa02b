// The user's folder of decoded pictures: where it is, what lies in it, and how it is emptied.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pictures/dataset_cache.h"

namespace catgan {

/// $XDG_CACHE_HOME/catgan, else ~/.cache/catgan, else none: neither variable is an absolute path.
std::filesystem::path user_cache_folder();

struct CacheFile {
  std::filesystem::path path;
  std::uintmax_t bytes = 0;
  std::filesystem::file_time_type last_use;  // written or read by a training run
  CacheInfo info;
  std::string problem;  // why info is empty: an older format, a damaged file
};

/// The cache files of a folder by name, empty if there is no folder. Other files are left out.
/// Throws whisker::IoError if the folder cannot be listed.
std::vector<CacheFile> list_caches(const std::filesystem::path& folder);

/// Removes a file; false if another process was faster. One that reads it is not disturbed.
/// Throws whisker::IoError.
bool remove_cache(const CacheFile& cache);

}  // namespace catgan
