#include "pictures/cache_folder.h"

#include <cstdlib>
#include <optional>
#include <system_error>

#include <whisker/kernels/check.h>

#include "pictures/file_io.h"

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
  std::vector<std::string> names;
  try {
    names = names_in(folder);
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::no_such_file_or_directory) return caches;
    throw IoError(whisker::str(folder.string(), ": cannot be listed: ", error.code().message()));
  }
  for (const std::string& name : names)
    if (name.ends_with(kCacheEnding))
      if (auto cache = examine(folder / name)) caches.push_back(std::move(*cache));
  return caches;
}

bool remove_cache(const CacheFile& cache) {
  std::error_code error;
  const bool removed = fs::remove(cache.path, error);
  check<IoError>(!error, cache.path.string(), ": cannot be removed: ", error.message());
  return removed;
}

}  // namespace catgan
