// Listing folders.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace whisker::inline v0_1 {

/// The names in a folder, without "." and "..", in no order; an interrupted listing goes on.
/// Throws IoError.
std::vector<std::string> folder_entries(const std::filesystem::path& folder);

}  // namespace whisker::inline v0_1
