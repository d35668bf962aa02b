// The folder of a run: what is where, and who may write into it.
#pragma once

#include <filesystem>
#include <string>

#include "config.h"

namespace catgan {

/// An open, locked run folder. Only one process can train in it at a time.
class RunFolder {
 public:
  /// Makes runs/<NNNNN>-<preset>-<data>, or `out` if it is given, with its sub-folders. Throws
  /// UsageError if `out` holds something already, whisker::IoError.
  static RunFolder create(const Config& config, const std::filesystem::path& out);
  /// Opens one that is there, and removes what killed writers left in it. Throws
  /// whisker::InputError if it is no run folder, whisker::IoError.
  static RunFolder open(const std::filesystem::path& folder);

  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  ~RunFolder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.json"; }
  std::filesystem::path log_file() const { return path_ / "log.txt"; }
  std::filesystem::path stats_file() const { return path_ / "stats.jsonl"; }
  std::filesystem::path census_file() const { return path_ / "census.txt"; }
  std::filesystem::path readme_file() const { return path_ / "README.txt"; }
  std::filesystem::path samples() const { return path_ / "samples"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path reals_file() const { return samples() / "reals.png"; }
  std::filesystem::path grid_file(std::int64_t step) const;
  /// What explains the folder to those who find it. Throws whisker::IoError.
  void write_readme() const;

 private:
  explicit RunFolder(std::filesystem::path path);
  void make_subfolders() const;

  std::filesystem::path path_;
  int lock_ = -1;
};

/// A small text file. Throws whisker::InputError (no regular file, too large), whisker::IoError.
std::string read_text_file(const std::filesystem::path& path);

/// Cuts a file of JSON lines behind the last one whose "step" is at most `step`, as a resumed run
/// writes the later ones again, and drops lines that are no such objects. Returns how many of those
/// there were. Throws whisker::IoError, whisker::InputError if it is no regular file.
int cut_statistics(const std::filesystem::path& path, std::int64_t step);

}  // namespace catgan
