#include "pictures/census.h"

#include <algorithm>
#include <limits>
#include <map>
#include <string_view>

#include <whisker/core/atomic_file.h>

#include "terminal_text.h"

namespace catgan {
namespace {

using whisker::str;

/// "WebP" of "is a WebP file; convert it ...".
std::string format_in(const std::string& reason) {
  constexpr std::string_view kBefore = "is a ", kAfter = " file";
  const std::size_t end = reason.find(kAfter);
  if (!reason.starts_with(kBefore) || end == reason.npos) return "others";
  return reason.substr(kBefore.size(), end - kBefore.size());
}

/// " (GIF 1, WebP 3)"
std::string count_formats(const std::vector<const SkippedFile*>& files) {
  std::map<std::string, std::size_t> counts;
  for (const SkippedFile* file : files)
    ++counts[format_in(file->reason)];
  std::string text;
  for (const auto& [format, count] : counts)
    text += str(text.empty() ? " (" : ", ", format, " ", count);
  return text + ")";
}

}  // namespace

std::string Census::to_text(std::size_t examples_per_fault) const {
  std::string text = str(printable_line(folder), ": ", usable,
                         usable == 1 ? " usable picture" : " usable pictures");
  if (duplicates > 0) text += str(" (", duplicates, " of them copies of another)");
  text += str(", ", skipped.size(), skipped.size() == 1 ? " entry" : " entries", " skipped\n");

  std::map<Fault, std::vector<const SkippedFile*>> by_fault;
  for (const SkippedFile& file : skipped)
    by_fault[file.fault].push_back(&file);
  for (const auto& [fault, files] : by_fault) {
    text += str("  ", fault_name(fault), ": ", files.size(),
                fault == Fault::foreign_format ? count_formats(files) : "", "\n");
    const std::size_t shown = std::min(examples_per_fault, files.size());
    for (std::size_t i = 0; i < shown; ++i)
      text +=
          str("    ", printable_line(files[i]->path), ": ", printable_line(files[i]->reason), "\n");
    if (files.size() > shown) text += str("    and ", files.size() - shown, " more\n");
  }
  return text;
}

void Census::write(const std::filesystem::path& path) const {
  whisker::write_file_atomically(path, to_text(std::numeric_limits<std::size_t>::max()));
}

}  // namespace catgan
