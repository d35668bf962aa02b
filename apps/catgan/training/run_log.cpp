#include "training/run_log.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include <whisker/kernels/check.h>

#include "terminal_text.h"

namespace catgan {

using whisker::check;
using whisker::IoError;
using whisker::str;

namespace {

template <class Call>
auto retry_interrupted(Call&& call) {
  auto result = call();
  while (result < 0 && errno == EINTR)
    result = call();
  return result;
}

/// As of now: a terminal can be resized at any time.
int terminal_columns() {
  constexpr int kUsual = 80;
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsual;
}

}  // namespace

LineFile::LineFile(std::filesystem::path path) : path_(std::move(path)) {
  descriptor_ = retry_interrupted([&] {
    return ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
  });
  check<IoError>(descriptor_ >= 0, path_.string(), ": cannot be written: ", std::strerror(errno));
}

LineFile::~LineFile() {
  ::close(descriptor_);
}

void LineFile::cut_to_whole_lines() {
  const off_t size = ::lseek(descriptor_, 0, SEEK_END);
  off_t whole = std::max<off_t>(size, 0);
  while (whole > 0) {
    char block[4096];
    const off_t begin = std::max<off_t>(whole - static_cast<off_t>(sizeof block), 0);
    const ssize_t count = retry_interrupted([&] {
      return ::pread(descriptor_, block, static_cast<std::size_t>(whole - begin), begin);
    });
    if (count != whole - begin) return;  // no file that can be read back, such as a pipe
    const std::size_t end = std::string_view(block, static_cast<std::size_t>(count)).rfind('\n');
    whole = end == std::string_view::npos ? begin : begin + static_cast<off_t>(end) + 1;
    if (end != std::string_view::npos) break;
  }
  if (whole < size)
    check<IoError>(retry_interrupted([&] { return ::ftruncate(descriptor_, whole); }) == 0,
                   path_.string(),
                   ": its last line is not whole and cannot be cut off: ", std::strerror(errno));
}

void LineFile::write(const std::string& line) {
  if (torn_) cut_to_whole_lines();
  const std::string text = line + "\n";
  torn_ = true;
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = retry_interrupted(
        [&] { return ::write(descriptor_, text.data() + done, text.size() - done); });
    if (count < 0) {
      const int error = errno;
      cut_to_whole_lines();
      throw IoError(str(path_.string(), ": cannot be written: ", std::strerror(error)));
    }
    done += static_cast<std::size_t>(count);
  }
  torn_ = false;
}

Console::Console() : terminal_(isatty(STDOUT_FILENO) != 0) {}

void Console::line(const std::string& text) {
  clear_bar();
  std::fputs((printable(text) + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void Console::bar(const std::string& before, std::int64_t done, std::int64_t total,
                  const std::string& after) {
  if (!terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (bar_shown_ && now - last_bar_ < std::chrono::milliseconds(100)) return;
  last_bar_ = now;
  bar_shown_ = true;
  // Some terminals go on to the next line once the last column is filled.
  const std::string text = progress_bar(before, done, total, after, terminal_columns() - 1);
  std::fputs(("\r\033[K" + printable(text)).c_str(), stdout);
  std::fflush(stdout);
}

void Console::clear_bar() {
  if (!bar_shown_) return;
  bar_shown_ = false;
  std::fputs("\r\033[K", stdout);
  std::fflush(stdout);
}

RunLog::RunLog(Console& console, std::filesystem::path file)
    : console_(console), path_(std::move(file)) {}

void RunLog::line(const std::string& text) {
  console_.line(text);
  to_file(text);
}

void RunLog::progress_line(const std::string& text) {
  if (!console_.is_terminal()) console_.line(text);
  to_file(text);
}

void RunLog::to_file(const std::string& text) {
  attempt("a line of the log", [&] {
    if (!file_) file_.emplace(path_);
    file_->write(printable(text));
  });
}

void RunLog::attempt(const std::string& what, const std::function<void()>& write,
                     const char* failure) {
  try {
    write();
  } catch (const std::exception& error) {
    if (++missing_ > 1) return;
    first_failure_ = std::current_exception();
    first_missing_ = str(what, " ", failure, ": ", error.what());
    console_.line("warning: " + first_missing_ + "\n  Training goes on without it.");
  }
}

void RunLog::throw_if_incomplete() const {
  if (missing_ == 0) return;
  const std::string text = str(
      "the weights are saved, but the run folder is not complete or not clean: ", first_missing_,
      missing_ > 1 ? str("; and ", missing_ - 1, " more") : "");
  try {
    std::rethrow_exception(first_failure_);
  } catch (const whisker::OutOfMemory&) {
    throw whisker::OutOfMemory(text);
  } catch (const std::bad_alloc&) {
    throw whisker::OutOfMemory(text);
  } catch (const whisker::NumericError&) {
    throw whisker::NumericError(text);
  } catch (...) {
    throw IoError(text);
  }
}

std::string progress_bar(const std::string& before, std::int64_t done, std::int64_t total,
                         const std::string& after, int columns) {
  const std::string count = str(before, done, "/", total);
  constexpr std::ptrdiff_t kWidest = 24, kNarrowest = 4;
  const std::ptrdiff_t room = columns - std::ssize(count) - std::ssize(after) - 3;  // " [" and "]"
  std::string bar;
  if (room >= kNarrowest) {
    const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
    bar.assign(static_cast<std::size_t>(std::min(room, kWidest)), ' ');
    const double filled = std::clamp(share, 0.0, 1.0) * static_cast<double>(bar.size());
    const auto end = static_cast<std::size_t>(filled);
    std::fill_n(bar.begin(), end, '=');
    if (end < bar.size()) bar[end] = '>';
    bar = " [" + bar + "]";
  }
  return (count + bar + after).substr(0, static_cast<std::size_t>(std::max(columns, 0)));
}

std::string clock_text(double seconds) {
  const auto total = static_cast<long long>(std::llround(std::max(seconds, 0.0)));
  char text[48];
  if (total >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60,
                  total % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld:%02lld", total / 60, total % 60);
  }
  return text;
}

}  // namespace catgan
