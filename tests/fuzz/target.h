// What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput() for one reader;
// libFuzzer calls it with inputs that it makes up, replay.cpp with those in corpus/.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

/// Ends the program unless the condition holds; a fuzzer then keeps the input.
inline void require(bool condition, std::string_view what) {
  if (condition) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

/// What body() returns, or nothing if it throws one of the documented exceptions, with a message
/// that begins with `source`. Any other exception ends the program.
template <class Documented, class... More, class Body>
auto attempt(std::string_view source, const Body& body) -> std::optional<decltype(body())> {
  try {
    if constexpr (sizeof...(More) == 0)
      return body();
    else
      return attempt<More...>(source, body);
  } catch (const Documented& error) {
    const std::string message = error.what();
    require(message.starts_with(source) && message.size() > source.size() + 2,
            "the message \"" + message + "\" begins with \"" + std::string(source) + '"');
    return std::nullopt;
  }
}

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A file in a folder of this process, for readers that want a path.
class ScratchFile {
 public:
  ScratchFile() {
    std::string name = (std::filesystem::temp_directory_path() / "whisker-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = name;
  }
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  std::filesystem::path path() const { return folder_ / "file"; }
  void write(std::span<const std::uint8_t> bytes) const {
    std::ofstream file(path(), std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    require(bool(file.flush()), "the scratch file can be written");
  }
  std::string read() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace fuzz
