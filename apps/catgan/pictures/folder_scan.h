// Which files of a folder tree may be pictures, found without opening any of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pictures/census.h"

namespace catgan {

struct Candidate {
  std::string path;               // relative to the folder, parts separated by /
  bool named_as_picture = false;  // .jpg, .png, .webp, ...; a name without an ending is not
};

struct FolderListing {
  std::vector<Candidate> candidates;  // sorted by path: equal folders give equal listings
  std::vector<SkippedFile> skipped;
};

/// Lists the tree below folder. Links are followed, each folder is entered once; hidden entries,
/// names that end like no picture, pipes, sockets and devices are skipped and listed.
/// Throws whisker::IoError if folder cannot be read, whisker::InputError if it is not a folder.
FolderListing scan_folder(const std::filesystem::path& folder);

}  // namespace catgan
