#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <whisker/core/atomic_file.h>
#include <whisker/core/folder_entries.h>
#include <whisker/kernels/check.h>

namespace whisker::inline v0_1 {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTransfer = std::size_t{1} << 30;  // Linux moves at most 2 GiB in one call
constexpr std::size_t kMaxNameBytes = 200;  // of 255, so that the temporary name's tail fits too
constexpr std::string_view kSuffix = ".tmp";

const char* remedy(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space there or choose another folder";
    case EFBIG:
      return "; raise the file size limit (ulimit -f) or choose another file system";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a folder that you may write to";
    case ENOENT:
      return "; create the folder first";
    default:
      return "";
  }
}

[[noreturn]] void throw_io_error(const fs::path& path, const std::string& what, int error = errno) {
  throw IoError(
      str(path.string(), ": ", what, ": ", std::generic_category().message(error), remedy(error)));
}

template <class Call>
auto retry_interrupted(Call&& call) {
  auto result = call();
  while (result < 0 && errno == EINTR)
    result = call();
  return result;
}

// Flushes a file or a folder. Some file systems cannot flush folders, or nothing at all, and say so
// in many ways; only these say that something was lost.
bool flush(int descriptor) {
  if (retry_interrupted([&] { return ::fsync(descriptor); }) == 0) return true;
  return errno != EIO && errno != ENOSPC && errno != EDQUOT && errno != EROFS && errno != ESTALE &&
         errno != ENOMEM;
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  bool is_open() const { return value_ >= 0; }

 private:
  int value_;
};

Descriptor open_at(int folder, const char* name, int flags) {
  return Descriptor(
      retry_interrupted([&] { return ::openat(folder, name, flags | O_CLOEXEC, 0666); }));
}

// `path` begins the message.
Descriptor open_folder(const fs::path& folder, const fs::path& path) {
  Descriptor descriptor = open_at(AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (!descriptor.is_open()) throw_io_error(path, "cannot open the folder");
  return descriptor;
}

// The file that a write to `path` would reach; it need not exist.
fs::path follow_links(const fs::path& path) {
  constexpr int kMaxLinks = 40;  // as many as Linux follows
  fs::path target = path;
  std::error_code error;
  for (int i = 0; i < kMaxLinks; ++i) {
    if (!fs::is_symlink(fs::symlink_status(target, error))) return target;
    const fs::path link = fs::read_symlink(target, error);
    if (error) throw_io_error(path, "cannot read the symbolic link", error.value());
    target = target.parent_path() / link;  // an absolute link replaces the folder
  }
  throw_io_error(path, "cannot follow the symbolic links", ELOOP);
}

// Created in `folder`, locked while it lives, and removed unless it was renamed. The lock tells
// remove_stale_temporaries() that its writer lives; unlike a process number it is never reused.
class TemporaryFile {
 public:
  TemporaryFile(const fs::path& path, int folder, const std::string& target)
      : path_(path), folder_(folder), file_(create(target)) {}
  ~TemporaryFile() {
    if (!name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  // Does nothing where nothing is to do: some file systems refuse every change.
  void set_mode(mode_t mode) {
    struct stat status {};
    if (::fstat(file_.get(), &status) == 0 && (status.st_mode & 07777) == mode) return;
    if (::fchmod(file_.get(), mode) != 0) throw_io_error(path_, "cannot keep the permissions");
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::size_t wanted = std::min(bytes.size(), kMaxTransfer);
      const ssize_t count =
          retry_interrupted([&] { return ::write(file_.get(), bytes.data(), wanted); });
      if (count < 0) throw_io_error(path_, "cannot write");
      if (count == 0) throw_io_error(path_, "cannot write", EIO);
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }

  void sync() {
    if (!flush(file_.get())) throw_io_error(path_, "cannot flush to the disk");
  }

  void rename_to(const std::string& target) {
    if (retry_interrupted(
            [&] { return ::renameat(folder_, name_.c_str(), folder_, target.c_str()); }) != 0)
      throw_io_error(path_, "cannot replace the old file");
    name_.clear();
  }

 private:
  Descriptor create(const std::string& target) {
    static std::atomic<unsigned> counter{0};
    constexpr int kAttempts = 1000;
    const std::string stem = target.substr(0, kMaxNameBytes) + "." + std::to_string(::getpid());
    for (int i = 0; i < kAttempts; ++i) {
      name_ = stem + "-" + std::to_string(counter++) + std::string(kSuffix);
      Descriptor file = open_at(folder_, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL);
      if (!file.is_open()) {
        const int error = errno;
        name_.clear();  // not ours
        if (error != EEXIST)
          throw_io_error(path_, "cannot create a temporary file beside it", error);
        continue;
      }
      // Where the file system has no locks, nothing takes the file for stale either.
      const bool contended = ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
      struct stat status {};
      const bool kept = ::fstat(file.get(), &status) == 0 && status.st_nlink > 0;
      if (kept && !contended) return file;
      ::unlinkat(folder_, name_.c_str(), 0);  // if whoever holds it has not done so
    }
    name_.clear();
    throw_io_error(path_, "cannot create a temporary file beside it", EEXIST);
  }

  const fs::path& path_;
  int folder_;
  std::string name_;
  Descriptor file_;
};

// NAME.PID-NUMBER.tmp
bool is_temporary_name(std::string_view name) {
  if (!name.ends_with(kSuffix)) return false;
  name.remove_suffix(kSuffix.size());
  const auto take_number = [&](char before) {
    const std::size_t digits = name.find_last_not_of("0123456789");
    if (digits == name.npos || digits + 1 == name.size() || name[digits] != before) return false;
    name = name.substr(0, digits);
    return true;
  };
  return take_number('-') && take_number('.') && !name.empty();
}

// Holding the lock of the very file that the name stands for, nobody else can remove or write it.
bool remove_if_stale(int folder, const std::string& name) {
  const Descriptor file =
      open_at(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!file.is_open() || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return false;
  struct stat locked {
  }, named{};
  if (::fstat(file.get(), &locked) != 0 || !S_ISREG(locked.st_mode)) return false;
  if (::fstatat(folder, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (locked.st_ino != named.st_ino || locked.st_dev != named.st_dev) return false;
  return ::unlinkat(folder, name.c_str(), 0) == 0;
}

}  // namespace

void write_file_atomically(const fs::path& path,
                           std::span<const std::span<const std::byte>> parts) {
  const fs::path target = follow_links(path);
  const std::string name = target.filename().string();
  const fs::path parent = target.parent_path();
  const Descriptor folder = open_folder(parent.empty() ? "." : parent, path);

  struct stat old {};
  const bool replaces = ::fstatat(folder.get(), name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (!replaces && errno != ENOENT) throw_io_error(path, "cannot examine the old file");
  if (name.empty() || (replaces && S_ISDIR(old.st_mode)))
    throw_io_error(path, "cannot write", EISDIR);
  check<IoError>(!replaces || S_ISREG(old.st_mode), path.string(),
                 ": cannot write: a pipe or a device is there");

  {
    TemporaryFile file(path, folder.get(), name);
    if (replaces) file.set_mode(old.st_mode & 07777);
    for (const auto part : parts)
      file.write(part);
    file.sync();
    file.rename_to(name);
  }
  if (!flush(folder.get()))
    throw_io_error(path, "the new content is in place, but may not survive a power cut");
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  const std::array parts{std::as_bytes(std::span(text))};
  write_file_atomically(path, parts);
}

int remove_stale_temporaries(const fs::path& folder) {
  const Descriptor descriptor = open_folder(folder, folder);
  int removed = 0;
  for (const std::string& name : folder_entries(folder))
    if (is_temporary_name(name)) removed += remove_if_stale(descriptor.get(), name);
  return removed;
}

}  // namespace whisker::inline v0_1
