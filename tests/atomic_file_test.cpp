#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <random>
#include <sched.h>
#include <span>
#include <string>
#include <vector>

#include <whisker/core/atomic_file.h>
#include <whisker/kernels/check.h>

#include "catch.h"
#include "file_fixtures.h"

using namespace whisker;
using namespace file_fixtures;
namespace fs = std::filesystem;

namespace {

// Runs body() in a child process and returns its exit status, 99 after an exception.
template <class Body>
int status_of_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 99;
    try {
      status = body();
    } catch (...) {
    }
    ::_exit(status);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

std::string refusal(const fs::path& path, const std::string& text = "new") {
  return message_of<IoError>([&] { write_file_atomically(path, text); });
}

// No file grows beyond the limit while this lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  sighandler_t old_handler_;
  rlimit old_{};
};

constexpr std::size_t kParts = 64, kPartBytes = 4096;

// Saves one letter or the other in turn for ever, one byte to `progress` after each; ends when a
// save fails.
void save_until_killed(const fs::path& path, int progress) {
  try {
    for (char letter = 'b';; letter = letter == 'a' ? 'b' : 'a') {
      const std::string part(kPartBytes, letter);
      const std::vector<std::span<const std::byte>> parts(kParts, std::as_bytes(std::span(part)));
      write_file_atomically(path, parts);
      if (::write(progress, ".", 1) != 1) break;
    }
  } catch (...) {
  }
  ::_exit(1);
}

bool is_whole(const std::string& text) {
  return text.size() == kParts * kPartBytes && (text[0] == 'a' || text[0] == 'b') &&
         text.find_first_not_of(text[0]) == text.npos;
}

}  // namespace

TEST_CASE("parts are written one after another and replace the old content", "[atomic_file]") {
  const Folder folder;
  const auto path = folder / "file";
  const std::array<std::string, 4> texts{"one,", "", std::string(3'000'000, 'x'), "end"};
  std::vector<std::span<const std::byte>> parts;
  for (const std::string& text : texts)
    parts.push_back(std::as_bytes(std::span(text)));
  write_file_atomically(path, parts);
  CHECK(read_text(path) == "one," + std::string(3'000'000, 'x') + "end");
  write_file_atomically(path, "short");
  CHECK(read_text(path) == "short");
  write_file_atomically(path, "");
  CHECK(read_text(path).empty());
  CHECK(folder.count() == 1);
}

TEST_CASE("the longest possible name can be written", "[atomic_file]") {
  const Folder folder;
  const auto path = folder / std::string(255, 'n');
  write_file_atomically(path, "new");
  CHECK(read_text(path) == "new");
  CHECK_THAT(refusal(folder / std::string(256, 'n')), ContainsSubstring("File name too long"));
  CHECK(folder.count() == 1);
}

TEST_CASE("a replaced file keeps its permissions", "[atomic_file]") {
  const Folder folder;
  const auto path = folder / "private";
  write_text(path, "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  write_file_atomically(path, "new");
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("a symbolic link stays and its target is replaced", "[atomic_file]") {
  const Folder folder;
  fs::create_directory(folder / "inner");
  write_text(folder / "inner/target", "old");
  fs::create_symlink("inner/target", folder / "link");
  fs::create_symlink(folder / "link", folder / "second");
  write_file_atomically(folder / "second", "new");
  CHECK(fs::is_symlink(folder / "second"));
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_text(folder / "inner/target") == "new");

  fs::create_symlink("inner/fresh", folder / "dangling");
  write_file_atomically(folder / "dangling", "new");
  CHECK(read_text(folder / "inner/fresh") == "new");

  fs::create_symlink("loop", folder / "loop");
  CHECK_THAT(refusal(folder / "loop"), StartsWith((folder / "loop").string()));
}

TEST_CASE("a path that cannot hold a file is refused and left alone", "[atomic_file]") {
  const Folder folder;
  fs::create_directory(folder / "inner");
  CHECK_THAT(refusal(folder / "inner"), ContainsSubstring("Is a directory"));
  CHECK_THAT(refusal(folder / "inner/"), ContainsSubstring("Is a directory"));
  CHECK_THAT(refusal(folder / "missing/file"), StartsWith((folder / "missing/file").string()) &&
                                                   ContainsSubstring("create the folder first"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THAT(refusal(folder / "pipe"), ContainsSubstring("a pipe or a device"));
  CHECK_THAT(refusal("/dev/null"), ContainsSubstring("a pipe or a device"));
  write_text(folder / "file", "old");
  CHECK_THAT(refusal(folder / "file/below"), ContainsSubstring("Not a directory"));
  CHECK_FALSE(refusal("").empty());
  CHECK(fs::is_fifo(folder / "pipe"));
  CHECK(folder.count() == 3);
}

TEST_CASE("an unwritable folder is refused with a remedy", "[atomic_file]") {
  const Folder folder;
  const auto path = folder / "file";
  write_text(path, "old");
  fs::permissions(folder.path(), fs::perms(0555));
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  // Root may write anywhere, so the child becomes nobody.
  const int status = status_of_child([&] {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::setuid(kNobody) != 0) return 1;
    const std::string message = refusal(path);
    return ::write(pipe[1], message.data(), message.size()) > 0 ? 0 : 2;
  });
  std::array<char, 1000> message{};
  CHECK(::read(pipe[0], message.data(), message.size() - 1) > 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
  fs::permissions(folder.path(), fs::perms(0755));
  CHECK(status == 0);
  CHECK_THAT(std::string(message.data()), StartsWith(path.string() + ": cannot create") &&
                                              ContainsSubstring("that you may write to"));
  CHECK(read_text(path) == "old");
}

TEST_CASE("a write that fails half way leaves the old file and nothing else", "[atomic_file]") {
  const Folder folder;
  const auto path = folder / "file";
  write_text(path, "old");
  std::string message;
  {
    const FileSizeLimit limit(100'000);
    message = refusal(path, std::string(300'000, 'x'));
  }
  CHECK_THAT(message, StartsWith(path.string() + ": cannot write: ") &&
                          ContainsSubstring("raise the file size limit"));
  CHECK(read_text(path) == "old");
  CHECK(folder.count() == 1);
  write_file_atomically(path, "new");
  CHECK(read_text(path) == "new");
}

TEST_CASE("a full disk leaves the old file and nothing else", "[atomic_file]") {
  const Folder folder;
  constexpr int kCannotMount = 77;
  const int status = status_of_child([&] {
    // A file system of 64 KiB that only the child sees.
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
      return kCannotMount;
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kCannotMount;
    if (::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) return kCannotMount;
    const auto path = folder / "file";
    const std::string old(20'000, 'o');
    write_file_atomically(path, old);
    const std::string message = refusal(path, std::string(50'000, 'n'));
    if (message.find("free some space there or choose another folder") == message.npos) return 1;
    if (!message.starts_with(path.string() + ": cannot write: ")) return 2;
    if (read_text(path) != old) return 3;
    if (folder.count() != 1) return 4;
    write_file_atomically(path, "fits");
    return read_text(path) == "fits" ? 0 : 5;
  });
  if (status == kCannotMount) SKIP("no file system can be mounted here");
  CHECK(status == 0);
}

TEST_CASE("a file saved again and again is whole whenever its writer is killed", "[atomic_file]") {
  const Folder folder;
  const auto path = folder / "file";
  write_text(path, std::string(kParts * kPartBytes, 'a'));
  std::minstd_rand random(1);
  int left_behind = 0;
  for (int kill = 0; kill < 200; ++kill) {
    std::array<int, 2> progress{};
    REQUIRE(::pipe2(progress.data(), O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) save_until_killed(path, progress[1]);
    ::close(progress[1]);

    // After a few saves, at any moment of the next ones. Meanwhile the folder is cleaned, which
    // must not hurt the living writer: it may lose a file that it has not locked yet, and takes
    // another.
    std::array<char, 8> saves{};
    const ssize_t awaited = ::read(progress[0], saves.data(), 1 + random() % saves.size());
    for (unsigned turns = random() % 3000; turns > 0; --turns) {
      if (turns % 100 == 0) remove_stale_temporaries(folder.path());
      ::sched_yield();
    }
    ::kill(child, SIGKILL);
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    ::close(progress[0]);

    INFO("kill " << kill);
    CHECK(awaited > 0);
    CHECK(WIFSIGNALED(status));
    CHECK(is_whole(read_text(path)));
    const int removed = remove_stale_temporaries(folder.path());
    CHECK(removed <= 1);
    left_behind += removed;
    CHECK(folder.count() == 1);
  }
  CHECK(left_behind > 0);
}

TEST_CASE("only temporary files of dead writers are removed", "[atomic_file]") {
  const Folder folder;
  const std::vector<std::string> kept{"a.tmp",    ".1-2.tmp", "a.1-.tmp",   "a.-2.tmp",  "a1-2.tmp",
                                      "a.12.tmp", "a.1-2",    "a.1-2.tmp2", "a.x1-2.tmp"};
  for (const std::string& name : kept)
    write_text(folder / name, "");
  fs::create_directory(folder / "folder.1-2.tmp");
  fs::create_symlink("a.tmp", folder / "link.1-2.tmp");
  REQUIRE(::mkfifo((folder / "pipe.1-2.tmp").c_str(), 0600) == 0);
  const auto everything = folder.count();

  const auto living = folder / "checkpoint.safetensors.123-4.tmp";
  write_text(living, "half");
  const int descriptor = ::open(living.c_str(), O_WRONLY | O_CLOEXEC);
  REQUIRE(::flock(descriptor, LOCK_EX) == 0);
  CHECK(remove_stale_temporaries(folder.path()) == 0);
  CHECK(fs::exists(living));
  ::close(descriptor);
  CHECK(remove_stale_temporaries(folder.path()) == 1);
  CHECK(folder.count() == everything);

  CHECK_THROWS_AS(remove_stale_temporaries(folder / "missing"), IoError);
}
