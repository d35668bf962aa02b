#include "pictures/folder_scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

namespace catgan {
namespace {

namespace fs = std::filesystem;
using whisker::str;

constexpr std::array<std::string_view, 16> kPictureEndings = {
    ".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".webp", ".gif", ".bmp",
    ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl",  ".jp2", ".psd"};

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

std::string lower_case_ending(const fs::path& name) {
  std::string ending = name.extension().string();
  for (char& letter : ending)
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return ending;
}

class Scanner {
 public:
  explicit Scanner(fs::path root) : root_(std::move(root)) {}

  FolderListing run() {
    struct stat status {};
    if (::stat(root_.c_str(), &status) != 0)
      throw whisker::IoError(str(root_.string(), ": cannot be read: ", errno_text(errno),
                                 "; give the folder that holds the pictures"));
    if (!S_ISDIR(status.st_mode))
      throw whisker::InputError(
          str(root_.string(), ": is not a folder; give the folder that holds the pictures"));
    entered_.emplace(status.st_dev, status.st_ino);
    std::error_code error;
    list_folder("", error);
    if (error) throw whisker::IoError(str(root_.string(), ": cannot be listed: ", error.message()));
    const auto by_path = [](const auto& a, const auto& b) { return a.path < b.path; };
    std::sort(listing_.candidates.begin(), listing_.candidates.end(), by_path);
    std::sort(listing_.skipped.begin(), listing_.skipped.end(), by_path);
    return std::move(listing_);
  }

 private:
  void skip(const std::string& path, Fault fault, const std::string& reason) {
    listing_.skipped.push_back({path, fault, reason});
  }

  // Sorted, because the first of several names of one folder is the one that counts.
  std::vector<std::string> names_in(const fs::path& folder, std::error_code& error) const {
    std::vector<std::string> names;
    fs::directory_iterator entry(folder, error);
    while (!error && entry != fs::directory_iterator()) {
      names.push_back(entry->path().filename().string());
      entry.increment(error);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  void list_folder(const std::string& folder, std::error_code& error) {
    const std::vector<std::string> names = names_in(root_ / folder, error);
    if (error) return;
    for (const std::string& name : names)
      visit(folder.empty() ? name : str(folder, "/", name));
  }

  void visit(const std::string& path) {
    const fs::path name = fs::path(path).filename();
    if (name.string().starts_with('.')) return skip(path, Fault::not_a_picture, "is hidden");
    struct stat status {};
    if (::stat((root_ / path).c_str(), &status) != 0) return skip_without_status(path, errno);
    if (S_ISDIR(status.st_mode)) return visit_folder(path, status);
    if (!S_ISREG(status.st_mode))
      return skip(path, Fault::special_file, "is a pipe, socket or device and was not opened");

    const std::string ending = lower_case_ending(name);
    const bool named_as_picture =
        std::find(kPictureEndings.begin(), kPictureEndings.end(), ending) != kPictureEndings.end();
    if (!named_as_picture && !ending.empty())
      return skip(path, Fault::not_a_picture, str("its name ends in ", ending));
    listing_.candidates.push_back({path, named_as_picture});
  }

  void skip_without_status(const std::string& path, int error) {
    if (error == ENOENT) return skip(path, Fault::link, "leads to nothing");
    if (error == ELOOP) return skip(path, Fault::link, "leads in a circle");
    skip(path, Fault::unreadable, str("cannot be examined: ", errno_text(error)));
  }

  void visit_folder(const std::string& path, const struct stat& status) {
    if (!entered_.emplace(status.st_dev, status.st_ino).second)
      return skip(path, Fault::link, "is a folder that was read already under another name");
    std::error_code error;
    list_folder(path, error);
    if (error) skip(path, Fault::unreadable, str("cannot be listed: ", error.message()));
  }

  fs::path root_;
  FolderListing listing_;
  std::set<std::pair<dev_t, ino_t>> entered_;
};

}  // namespace

FolderListing scan_folder(const fs::path& folder) {
  return Scanner(folder).run();
}

}  // namespace catgan
