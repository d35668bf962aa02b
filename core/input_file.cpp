#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <whisker/core/input_file.h>
#include <whisker/kernels/check.h>

namespace whisker::inline v0_1 {
namespace {

constexpr std::size_t kMaxTransfer = std::size_t{1} << 30;  // Linux moves at most 2 GiB in one call

[[noreturn]] void throw_io_error(const std::filesystem::path& path, const char* what) {
  throw IoError(str(path.string(), ": ", what, ": ", std::generic_category().message(errno)));
}

}  // namespace

InputFile::InputFile(const std::filesystem::path& path) : path_(path) {
  do {
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) throw_io_error(path_, "cannot open");
  try {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) throw_io_error(path_, "cannot examine");
    check<InputError>(S_ISREG(status.st_mode), path_.string(), ": is ",
                      S_ISDIR(status.st_mode) ? "a folder" : "a pipe or a device", ", not a file");
    size_ = static_cast<std::uint64_t>(status.st_size);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

InputFile::~InputFile() {
  ::close(descriptor_);
}

void InputFile::read(std::span<std::byte> buffer) {
  while (!buffer.empty()) {
    const ssize_t count = ::read(descriptor_, buffer.data(), std::min(buffer.size(), kMaxTransfer));
    check<IoError>(count != 0, path_.string(), ": became shorter while it was read");
    if (count > 0)
      buffer = buffer.subspan(static_cast<std::size_t>(count));
    else if (errno != EINTR)
      throw_io_error(path_, "cannot read");
  }
}

}  // namespace whisker::inline v0_1
