#include "pictures/file_io.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <system_error>

namespace catgan {
namespace {

constexpr std::size_t kMaxTransfer = std::size_t{1} << 30;  // Linux moves at most 2 GiB in one call

[[noreturn]] void throw_errno() {
  throw std::system_error(errno, std::generic_category());
}

struct stat status_of(int descriptor) {
  struct stat status {};
  while (::fstat(descriptor, &status) != 0)
    if (errno != EINTR) throw_errno();
  return status;
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path) {
  do {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) throw_errno();
}

InputFile::~InputFile() {
  ::close(descriptor_);
}

bool InputFile::is_regular() const {
  return S_ISREG(status_of(descriptor_).st_mode);
}

std::uintmax_t InputFile::size() const {
  return static_cast<std::uintmax_t>(status_of(descriptor_).st_size);
}

std::size_t InputFile::read(std::span<std::uint8_t> buffer) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const std::size_t wanted = std::min(buffer.size() - done, kMaxTransfer);
    const ssize_t count = ::read(descriptor_, buffer.data() + done, wanted);
    if (count == 0) break;
    if (count > 0)
      done += static_cast<std::size_t>(count);
    else if (errno != EINTR)
      throw_errno();
  }
  return done;
}

bool InputFile::touch() {
  return ::futimens(descriptor_, nullptr) == 0;
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  int descriptor = -1;
  do {
    descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) throw_errno();
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(descriptor), &::closedir);
  if (!stream) {
    const int error = errno;
    ::close(descriptor);
    throw std::system_error(error, std::generic_category());
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno == EINTR) continue;
    if (entry == nullptr && errno != 0) throw_errno();
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace catgan
