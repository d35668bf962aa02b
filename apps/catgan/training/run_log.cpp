#include "training/run_log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include <whisker/kernels/check.h>

namespace catgan {

using whisker::check;
using whisker::IoError;
using whisker::str;

LineFile::LineFile(std::filesystem::path path) : path_(std::move(path)) {
  file_.reset(std::fopen(path_.c_str(), "ae"));
  check<IoError>(file_ != nullptr, path_.string(), ": cannot be written: ", std::strerror(errno));
}

void LineFile::write(const std::string& line) {
  const std::string text = line + "\n";
  const bool written = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size() &&
                       std::fflush(file_.get()) == 0;
  check<IoError>(written, path_.string(), ": cannot be written: ", std::strerror(errno),
                 "; make room and resume the run");
}

Console::Console() : terminal_(isatty(STDOUT_FILENO) != 0) {}

void Console::line(const std::string& text) {
  clear_bar();
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

void Console::bar(const std::string& text) {
  if (!terminal_) return;
  const auto now = std::chrono::steady_clock::now();
  if (bar_shown_ && now - last_bar_ < std::chrono::milliseconds(100)) return;
  last_bar_ = now;
  bar_shown_ = true;
  std::fputs(("\r\033[K" + text).c_str(), stdout);
  std::fflush(stdout);
}

void Console::clear_bar() {
  if (!bar_shown_) return;
  bar_shown_ = false;
  std::fputs("\r\033[K", stdout);
  std::fflush(stdout);
}

void RunLog::line(const std::string& text) {
  console_.line(text);
  file_.write(text);
}

void RunLog::progress_line(const std::string& text) {
  if (!console_.is_terminal()) console_.line(text);
  file_.write(text);
}

std::string progress_bar(std::int64_t done, std::int64_t total, int width) {
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * width);
  std::string bar(static_cast<std::size_t>(width), ' ');
  std::fill_n(bar.begin(), filled, '=');
  if (filled < bar.size()) bar[filled] = '>';
  return str(done, "/", total, " [", bar, "]");
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
