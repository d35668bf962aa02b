// What a run says: on the console and in its log.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace catgan {

/// Appends whole lines to a file: what a killed writer left of its last one is cut off, and so is
/// what a full disk took of a line. Throws whisker::IoError when it cannot.
class LineFile {
 public:
  explicit LineFile(std::filesystem::path path);
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;
  ~LineFile();

  void write(const std::string& line);

 private:
  void cut_to_whole_lines();

  std::filesystem::path path_;
  int descriptor_ = -1;
  bool torn_ = true;  // the file may end within a line
};

/// Prints on the console. That it went away is no error.
class Console {
 public:
  Console();

  bool is_terminal() const { return terminal_; }
  /// Prints a line in the place of the progress bar.
  void line(const std::string& text);
  /// Replaces the progress bar, at most ten times a second; does nothing unless on a terminal.
  void bar(const std::string& before, std::int64_t done, std::int64_t total,
           const std::string& after = {});
  void clear_bar();

 private:
  bool terminal_;
  bool bar_shown_ = false;
  std::chrono::steady_clock::time_point last_bar_{};
};

/// What a run says, on the console and in its log; and what it could not write. A grid or a line
/// that is lost must not cost the weights, so training goes on without it, and the run says at its
/// end that the run folder is not complete.
class RunLog {
 public:
  RunLog(Console& console, std::filesystem::path file);

  void line(const std::string& text);
  /// Only the file gets it where a bar shows the same.
  void progress_line(const std::string& text);
  Console& console() { return console_; }

  /// Calls write(), which may fail with any exception; the first failure is warned of.
  void attempt(const std::string& what, const std::function<void()>& write,
               const char* failure = "could not be written");
  /// Throws whisker::OutOfMemory, whisker::NumericError or else whisker::IoError if an attempt
  /// failed, as the first of them did.
  void throw_if_incomplete() const;

 private:
  void to_file(const std::string& text);

  Console& console_;
  std::filesystem::path path_;
  std::optional<LineFile> file_;
  std::exception_ptr first_failure_;
  std::string first_missing_;
  int missing_ = 0;
};

/// "drawing 1234/4000 [=====>     ] more", as much of it as fits into so many columns.
std::string progress_bar(const std::string& before, std::int64_t done, std::int64_t total,
                         const std::string& after, int columns);
/// "1:02:03" or "2:03".
std::string clock_text(double seconds);

}  // namespace catgan
