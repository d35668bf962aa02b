// What a run says: on the console and in its log.
#pragma once

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

namespace catgan {

/// Appends lines to a file. Throws whisker::IoError when it cannot.
class LineFile {
 public:
  explicit LineFile(std::filesystem::path path);
  void write(const std::string& line);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Prints on the console; a console that went away is nobody's business but its own.
class Console {
 public:
  Console();

  bool is_terminal() const { return terminal_; }
  /// Prints a line, under the progress bar's way.
  void line(const std::string& text);
  /// Replaces the progress bar, at most ten times a second; does nothing unless on a terminal.
  void bar(const std::string& text);
  void clear_bar();

 private:
  bool terminal_;
  bool bar_shown_ = false;
  std::chrono::steady_clock::time_point last_bar_{};
};

/// Console and log file together.
class RunLog {
 public:
  RunLog(Console& console, const std::filesystem::path& file) : console_(console), file_(file) {}

  void line(const std::string& text);
  /// Only the file gets it where a bar shows the same.
  void progress_line(const std::string& text);
  Console& console() { return console_; }

 private:
  Console& console_;
  LineFile file_;
};

/// "1234/4000 [=====>     ]  30%".
std::string progress_bar(std::int64_t done, std::int64_t total, int width = 24);
/// "1:02:03" or "2:03".
std::string clock_text(double seconds);

}  // namespace catgan
