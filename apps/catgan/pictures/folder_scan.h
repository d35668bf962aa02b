// Which files of a folder tree may be pictures, found without opening any of them but the notes by
// which catgan knows its own runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pictures/census.h"

namespace catgan {

struct Candidate {
  std::string path;               // relative to the folder, parts separated by /
  bool named_as_picture = false;  // .jpg, .png, .webp, ... is in its name
};

struct FolderListing {
  std::vector<Candidate> candidates;  // sorted by path: equal folders give equal listings
  std::vector<SkippedFile> skipped;
};

/// Lists the tree below folder. Every file is a candidate whatever its name, because downloaders
/// give names like "cat.jpg?width=300". Links are followed, each folder is entered once; hidden
/// entries, unfinished downloads, run folders of catgan, pipes, sockets, devices and what the
/// system refuses to list are skipped and listed. Throws whisker::IoError if folder cannot be read,
/// whisker::InputError if it is no folder, or belongs to a run.
FolderListing scan_folder(const std::filesystem::path& folder);

}  // namespace catgan
