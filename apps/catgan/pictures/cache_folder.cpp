#include "pictures/cache_folder.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <system_error>

#include <whisker/kernels/check.h>

namespace catgan {
namespace {

namespace fs = std::filesystem;
using whisker::check;
using whisker::IoError;

/// Nothing if it is no regular file, or is gone already.
std::optional<CacheFile> examine(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(fs::symlink_status(path, error))) return {};
  CacheFile cache{.path = path};
  cache.bytes = fs::file_size(path, error);
  if (!error) cache.last_use = fs::last_write_time(path, error);
  if (error) return {};
  try {
    cache.info = read_cache_info(path);
  } catch (const whisker::InputError& failure) {
    cache.problem = failure.what();
  } catch (const std::system_error& failure) {
    if (failure.code() == std::errc::no_such_file_or_directory) return {};
    cache.problem = failure.code().message();
  }
  return cache;
}

}  // namespace

fs::path user_cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && fs::path(cache).is_absolute()) return fs::path(cache) / "catgan";
  const char* home = std::getenv("HOME");
  if (home && fs::path(home).is_absolute()) return fs::path(home) / ".cache" / "catgan";
  return {};
}

std::vector<CacheFile> list_caches(const fs::path& folder) {
  std::vector<CacheFile> caches;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  if (error == std::errc::no_such_file_or_directory) return caches;
  while (!error && entry != fs::directory_iterator()) {
    if (entry->path().extension() == kCacheEnding)
      if (auto cache = examine(entry->path())) caches.push_back(std::move(*cache));
    entry.increment(error);
  }
  check<IoError>(!error, folder.string(), ": cannot be listed: ", error.message());
  std::sort(caches.begin(), caches.end(),
            [](const CacheFile& a, const CacheFile& b) { return a.path < b.path; });
  return caches;
}

bool remove_cache(const CacheFile& cache) {
  std::error_code error;
  const bool removed = fs::remove(cache.path, error);
  check<IoError>(!error, cache.path.string(), ": cannot be removed: ", error.message());
  return removed;
}

}  // namespace catgan
