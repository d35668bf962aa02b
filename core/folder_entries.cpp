#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <system_error>

#include <whisker/core/folder_entries.h>
#include <whisker/kernels/check.h>

namespace whisker::inline v0_1 {
namespace {

struct Close {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

[[noreturn]] void throw_io_error(const std::filesystem::path& folder) {
  throw IoError(
      str(folder.string(), ": cannot list the folder: ", std::generic_category().message(errno)));
}

}  // namespace

std::vector<std::string> folder_entries(const std::filesystem::path& folder) {
  int descriptor = -1;
  do {
    descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) throw_io_error(folder);
  const std::unique_ptr<DIR, Close> listing(::fdopendir(descriptor));
  if (!listing) {
    const int error = errno;
    ::close(descriptor);
    errno = error;
    throw_io_error(folder);
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr && errno == EINTR) continue;
    if (entry == nullptr && errno != 0) throw_io_error(folder);
    if (entry == nullptr) return names;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
}

}  // namespace whisker::inline v0_1
