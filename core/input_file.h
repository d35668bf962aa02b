// A file open for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace whisker::inline v0_1 {

/// A regular file read from its beginning to its end. Opening never waits: a pipe or a device in
/// place of the file is refused.
class InputFile {
 public:
  /// Throws IoError if the file cannot be opened, InputError if it is not a regular file.
  explicit InputFile(const std::filesystem::path& path);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  /// Bytes in the file when it was opened.
  std::uint64_t size() const { return size_; }
  /// Fills the buffer with the next bytes; throws IoError if that fails or the file ends before.
  void read(std::span<std::byte> buffer);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace whisker::inline v0_1
