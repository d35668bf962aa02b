#include "pictures/census.h"

#include <algorithm>
#include <limits>
#include <map>

#include <whisker/core/atomic_file.h>

namespace catgan {
namespace {

using whisker::str;

// A file may be named with line ends or terminal commands.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return text;
}

}  // namespace

std::string Census::to_text(std::size_t examples_per_fault) const {
  std::string text =
      str(printable(folder), ": ", usable, usable == 1 ? " usable picture" : " usable pictures");
  if (duplicates > 0) text += str(" (", duplicates, " of them copies of another)");
  text += str(", ", skipped.size(), skipped.size() == 1 ? " entry" : " entries", " skipped\n");

  std::map<Fault, std::vector<const SkippedFile*>> by_fault;
  for (const SkippedFile& file : skipped)
    by_fault[file.fault].push_back(&file);
  for (const auto& [fault, files] : by_fault) {
    text += str("  ", fault_name(fault), ": ", files.size(), "\n");
    const std::size_t shown = std::min(examples_per_fault, files.size());
    for (std::size_t i = 0; i < shown; ++i)
      text += str("    ", printable(files[i]->path), ": ", printable(files[i]->reason), "\n");
    if (files.size() > shown) text += str("    and ", files.size() - shown, " more\n");
  }
  return text;
}

void Census::write(const std::filesystem::path& path) const {
  whisker::write_file_atomically(path, to_text(std::numeric_limits<std::size_t>::max()));
}

}  // namespace catgan
