// Stands in for libFuzzer in the ordinary tests: replay FOLDER calls the target with every file of
// the folder, with beginnings of it, and with single bytes of it changed.
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "target.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kMost = 200;  // variants of each sort and file

// The sanitizers take address space for themselves.
void limit_memory() {
#ifndef WHISKER_SANITIZED
  const rlimit limit{rlim_t{1} << 30, rlim_t{1} << 30};
  fuzz::require(::setrlimit(RLIMIT_DATA, &limit) == 0, "memory can be limited");
#endif
}

void call(const Bytes& bytes) {
  // An exact copy on the heap, so that a sanitizer sees a read past the end.
  const Bytes copy(bytes);
  fuzz::require(LLVMFuzzerTestOneInput(copy.data(), copy.size()) == 0, "a target returns 0");
}

void call_with_variants(const Bytes& bytes) {
  call(bytes);
  const std::size_t stride = std::max<std::size_t>(1, bytes.size() / kMost);
  for (std::size_t i = 0; i < bytes.size(); i += stride) {
    call(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(i)));
    for (const int change : {0x01, 0x80, 0xFF}) {
      Bytes changed = bytes;
      changed[i] = static_cast<std::uint8_t>(changed[i] ^ change);
      call(changed);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  fuzz::require(argc == 2, "usage: replay FOLDER");
  limit_memory();
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const Bytes bytes{std::istreambuf_iterator<char>(file), {}};
    std::printf("%s\n", entry.path().filename().c_str());
    std::fflush(stdout);
    call_with_variants(bytes);
    ++files;
  }
  std::printf("%d files replayed\n", files);
  return files > 0 ? 0 : 1;
}
