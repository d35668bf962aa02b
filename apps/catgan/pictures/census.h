// What a folder of pictures held: how many are used, which were left out and why.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "pictures/image_check.h"

namespace catgan {

struct SkippedFile {
  std::string path;  // relative to the folder
  Fault fault = Fault::not_a_picture;
  std::string reason;
};

struct Census {
  std::string folder;
  std::size_t usable = 0;
  std::size_t duplicates = 0;        // usable files that are byte for byte equal to an earlier one
  std::vector<SkippedFile> skipped;  // sorted by path

  /// One line of totals, then the skipped files by fault, the first few of each with their reason.
  std::string to_text(std::size_t examples_per_fault = 3) const;

  /// The same with every skipped file, into a file. Throws whisker::IoError.
  void write(const std::filesystem::path& path) const;
};

}  // namespace catgan
