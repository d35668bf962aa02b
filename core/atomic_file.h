// Replacing the content of files so that a crash cannot spoil them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace whisker::inline v0_1 {

/// Writes the parts, one after another, so that `path` names either its old or the whole new
/// content at any moment, also after a kill or a power cut: temporary file in the same folder,
/// fsync, rename, fsync of the folder (T. S. Pillai et al., "All File Systems Are Not Created
/// Equal", OSDI 2014). The permissions of an old file are kept; a symbolic link is followed.
///
/// Throws IoError with the path, what was attempted, the system's reason and the remedy. The
/// temporary file is removed then, and the old content is intact unless the message says otherwise.
void write_file_atomically(const std::filesystem::path& path,
                           std::span<const std::span<const std::byte>> parts);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Removes the temporary files that killed writers left in a folder, and no file that a living
/// process is writing. Returns how many there were. Throws IoError.
int remove_stale_temporaries(const std::filesystem::path& folder);

}  // namespace whisker::inline v0_1
