// Reading files as the operating system gives them, with every refusal reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace catgan {

/// A file open for reading that closes itself. Every refusal throws std::system_error with errno's
/// code.
class InputFile {
 public:
  /// Opens without waiting, so that a pipe in place of a file cannot hang the program.
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  bool is_regular() const;
  std::uintmax_t size() const;
  /// Fills the buffer unless the file ends before; returns how many bytes were read.
  std::size_t read(std::span<std::uint8_t> buffer);
  /// Sets the time of the last change to now; false where the system does not allow it.
  bool touch();

 private:
  int descriptor_;
};

/// The names in a folder but "." and "..", sorted. A call that a signal interrupts is repeated;
/// every other refusal throws std::system_error.
std::vector<std::string> names_in(const std::filesystem::path& folder);

}  // namespace catgan
