// Makes one system call or allocation of a program fail; to be loaded with LD_PRELOAD.
//
//   WHISKER_FAULT_CALL     malloc, open, read, write, fsync, rename, flock, stat, mmap, readdir,
//                          truncate, unlink or mkdir: which calls count
//   WHISKER_FAULT_AT       the number of the one that fails, from 1 on; 0: none
//   WHISKER_FAULT_ERROR    errno as a number, or "short": half of a write is done
//   WHISKER_FAULT_FOREVER  if set, all later ones fail as well
//   WHISKER_FAULT_LOG      the file to which the number of calls is written at the end
//
// It must not allocate, or it would count itself.

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

struct Plan {
  const char* call = nullptr;
  long at = 0;
  int error = ENOMEM;
  bool is_short = false, forever = false;
};

const Plan& plan() {
  static Plan made;
  static std::atomic<bool> ready{false};
  if (ready) return made;
  const auto number = [](const char* name, long other) {
    const char* text = std::getenv(name);
    return text ? std::strtol(text, nullptr, 10) : other;
  };
  made.at = number("WHISKER_FAULT_AT", 0);
  made.error = static_cast<int>(number("WHISKER_FAULT_ERROR", ENOMEM));
  const char* error = std::getenv("WHISKER_FAULT_ERROR");
  made.is_short = error && std::strcmp(error, "short") == 0;
  made.forever = std::getenv("WHISKER_FAULT_FOREVER") != nullptr;
  made.call = std::getenv("WHISKER_FAULT_CALL");
  ready = true;
  return made;
}

std::atomic<long> calls{0};

/// Whether this call is to fail; sets errno.
bool fails(const char* call) {
  if (!plan().call || std::strcmp(plan().call, call) != 0) return false;
  const long number = ++calls;
  if (plan().at == 0 || number < plan().at || (number > plan().at && !plan().forever)) return false;
  errno = plan().error;
  return true;
}

/// The function that the program would have called.
template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

int open_file(int folder, const char* path, int flags, mode_t mode) {
  if (fails("open")) return -1;
  return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}

bool creates(int flags) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

/// oneDNN does not look whether it got memory for its kernels and handles and jumps into what it
/// did not get, so that one failure within it cannot be survived; check_room() of
/// kernels/cpu/onednn.cpp sees to it that memory that is really short is noticed before. What it
/// asks of operator new is not exempt.
bool is_unchecked(void* caller) {
  Dl_info info{};
  return dladdr(caller, &info) != 0 && info.dli_fname &&
         std::strstr(info.dli_fname, "libdnnl") != nullptr;
}

bool allocation_fails(void* caller) {
  return fails("malloc") && !is_unchecked(caller);
}

struct Report {
  ~Report() {
    const char* path = std::getenv("WHISKER_FAULT_LOG");
    if (!path) return;
    char text[32];
    const int size = std::snprintf(text, sizeof text, "%ld\n", calls.load());
    const long file = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    syscall(SYS_write, file, text, size);
    syscall(SYS_close, file);
  }
} report;

}  // namespace

#define WHISKER_CALLER __builtin_return_address(0)
#define WHISKER_MODE(flags)                             \
  mode_t mode = 0;                                      \
  if (creates(flags)) {                                 \
    va_list rest;                                       \
    va_start(rest, flags);                              \
    mode = static_cast<mode_t>(va_arg(rest, unsigned)); \
    va_end(rest);                                       \
  }

extern "C" {

void* malloc(std::size_t size) {
  return allocation_fails(WHISKER_CALLER) ? nullptr : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  return allocation_fails(WHISKER_CALLER) ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  return allocation_fails(WHISKER_CALLER) ? nullptr : __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  return allocation_fails(WHISKER_CALLER) ? nullptr : __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return allocation_fails(WHISKER_CALLER) ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  if (allocation_fails(WHISKER_CALLER)) return ENOMEM;
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : ENOMEM;
}

void* mmap(void* at, std::size_t size, int protection, int flags, int file, off_t offset) {
  if (!is_unchecked(WHISKER_CALLER) && fails("mmap")) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, file, offset));
}

int open(const char* path, int flags, ...) {
  WHISKER_MODE(flags)
  return open_file(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  WHISKER_MODE(flags)
  return open_file(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char* path, int flags, ...) {
  WHISKER_MODE(flags)
  return open_file(folder, path, flags, mode);
}
int openat64(int folder, const char* path, int flags, ...) {
  WHISKER_MODE(flags)
  return open_file(folder, path, flags, mode);
}

ssize_t read(int file, void* buffer, std::size_t size) {
  if (!fails("read")) return syscall(SYS_read, file, buffer, size);
  return plan().is_short && size > 1 ? syscall(SYS_read, file, buffer, size / 2) : -1;
}
ssize_t write(int file, const void* buffer, std::size_t size) {
  if (!fails("write")) return syscall(SYS_write, file, buffer, size);
  return plan().is_short && size > 1 ? syscall(SYS_write, file, buffer, size / 2) : -1;
}

int fsync(int file) {
  return fails("fsync") ? -1 : static_cast<int>(syscall(SYS_fsync, file));
}
int ftruncate(int file, off_t size) noexcept {
  return fails("truncate") ? -1 : static_cast<int>(syscall(SYS_ftruncate, file, size));
}
int rename(const char* from, const char* to) noexcept {
  return fails("rename") ? -1 : static_cast<int>(syscall(SYS_rename, from, to));
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  return fails("rename")
             ? -1
             : static_cast<int>(syscall(SYS_renameat, from_folder, from, to_folder, to));
}
int unlink(const char* path) noexcept {
  return fails("unlink") ? -1 : static_cast<int>(syscall(SYS_unlink, path));
}
int unlinkat(int folder, const char* path, int flags) noexcept {
  return fails("unlink") ? -1 : static_cast<int>(syscall(SYS_unlinkat, folder, path, flags));
}
int remove(const char* path) noexcept {
  return fails("unlink") ? -1 : next<int(const char*)>("remove")(path);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return fails("mkdir") ? -1 : static_cast<int>(syscall(SYS_mkdir, path, mode));
}
int flock(int file, int operation) noexcept {
  return fails("flock") ? -1 : static_cast<int>(syscall(SYS_flock, file, operation));
}

int stat(const char* path, struct stat* status) noexcept {
  return fails("stat") ? -1 : next<int(const char*, struct stat*)>("stat")(path, status);
}
int lstat(const char* path, struct stat* status) noexcept {
  return fails("stat") ? -1 : next<int(const char*, struct stat*)>("lstat")(path, status);
}
int fstat(int file, struct stat* status) noexcept {
  return fails("stat") ? -1 : next<int(int, struct stat*)>("fstat")(file, status);
}
int fstatat(int folder, const char* path, struct stat* status, int flags) noexcept {
  if (fails("stat")) return -1;
  return next<int(int, const char*, struct stat*, int)>("fstatat")(folder, path, status, flags);
}

struct dirent* readdir(DIR* folder) {
  return fails("readdir") ? nullptr : next<struct dirent*(DIR*)>("readdir")(folder);
}

}  // extern "C"
