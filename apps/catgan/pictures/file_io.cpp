#include "pictures/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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

void InputFile::touch() {
  if (::futimens(descriptor_, nullptr) != 0) return;  // only `catgan cache` would have shown it
}

}  // namespace catgan
