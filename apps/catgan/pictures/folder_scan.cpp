#include "pictures/folder_scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "pictures/file_io.h"

namespace catgan {
namespace {

namespace fs = std::filesystem;
using whisker::str;

constexpr std::array<std::string_view, 16> kPictureEndings = {
    ".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".webp", ".gif", ".bmp",
    ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl",  ".jp2", ".psd"};

constexpr std::array<std::string_view, 4> kUnfinishedEndings = {".part", ".partial", ".crdownload",
                                                                ".download"};

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

std::string lower_case(std::string text) {
  for (char& letter : text)
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return text;
}

/// "cat.jpg", "cat.jpg.1", "cat.jpg?width=300", but not "cat.jpg.txt".
bool is_named_as_picture(std::string_view lower_case_name) {
  return std::any_of(kPictureEndings.begin(), kPictureEndings.end(), [&](std::string_view ending) {
    const std::size_t at = lower_case_name.rfind(ending);
    if (at == lower_case_name.npos) return false;
    const std::string_view rest = lower_case_name.substr(at + ending.size());
    return rest.size() < 2 || rest[0] != '.' ||
           std::isalpha(static_cast<unsigned char>(rest[1])) == 0;
  });
}

/// Repeats a call that a signal interrupted.
template <class Call>
int retry(const Call& call) {
  int result = call();
  while (result < 0 && errno == EINTR)
    result = call();
  return result;
}

/// The first bytes of a small text file; empty if it cannot be read.
std::string head_of(const fs::path& path) try {
  InputFile file(path);
  std::string text(file.is_regular() ? 4096 : 0, '\0');
  text.resize(file.read({reinterpret_cast<std::uint8_t*>(text.data()), text.size()}));
  return text;
} catch (const std::system_error&) {
  return {};
}

/// A folder that `catgan train` made, known by its README or its settings.
bool is_run_folder(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder / "checkpoints", error) &&
      !fs::is_directory(folder / "samples", error))
    return false;
  if (head_of(folder / "README.txt").starts_with("This folder is one training run of catgan"))
    return true;
  const std::string settings = head_of(folder / "config.json");
  return settings.find("\"preset\"") != settings.npos &&
         settings.find("\"z_size\"") != settings.npos;
}

class Scanner {
 public:
  explicit Scanner(fs::path root) : root_(std::move(root)) {}

  FolderListing run() {
    struct stat status {};
    if (retry([&] { return ::stat(root_.c_str(), &status); }) != 0)
      throw whisker::IoError(str(root_.string(), ": cannot be read: ", errno_text(errno),
                                 "; give the folder that holds the pictures"));
    if (!S_ISDIR(status.st_mode))
      throw whisker::InputError(
          str(root_.string(), ": is not a folder; give the folder that holds the pictures"));
    refuse_runs();
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
  // Grids and generated pictures of a run that is named outright: a mistake, not a wish.
  void refuse_runs() const {
    std::error_code error;
    const fs::path whole = fs::canonical(root_, error);
    if (error) return;
    for (const fs::path& folder : {whole, whole.parent_path()})
      whisker::check<whisker::InputError>(!is_run_folder(folder), root_.string(),
                                          ": belongs to a run of catgan, whose pictures ",
                                          "are no training data; give the folder that holds yours");
  }

  void skip(const std::string& path, Fault fault, const std::string& reason) {
    listing_.skipped.push_back({path, fault, reason});
  }

  // Sorted, because the first of several names of one folder is the one that counts.
  void list_folder(const std::string& folder, std::error_code& error) {
    std::vector<std::string> names;
    try {
      names = names_in(root_ / folder);
    } catch (const std::system_error& failure) {
      error = failure.code();
    }
    for (const std::string& name : names)
      visit(folder.empty() ? name : str(folder, "/", name));
  }

  void visit(const std::string& path) {
    const fs::path name = fs::path(path).filename();
    if (name.string().starts_with('.')) return skip(path, Fault::not_a_picture, "is hidden");
    struct stat status {};
    const fs::path whole = root_ / path;
    if (retry([&] { return ::stat(whole.c_str(), &status); }) != 0)
      return skip_without_status(path, errno);
    if (S_ISDIR(status.st_mode)) return visit_folder(path, status);
    if (!S_ISREG(status.st_mode))
      return skip(path, Fault::special_file, "is a pipe, socket or device and was not opened");

    const std::string lower = lower_case(name.string());
    for (const std::string_view ending : kUnfinishedEndings)
      if (lower.ends_with(ending))
        return skip(path, Fault::not_a_picture,
                    str("its name ends in ", ending, ": an unfinished download"));
    listing_.candidates.push_back({path, is_named_as_picture(lower)});
  }

  void skip_without_status(const std::string& path, int error) {
    if (error == ENOENT) return skip(path, Fault::link, "leads to nothing");
    if (error == ELOOP) return skip(path, Fault::link, "leads in a circle");
    skip(path, Fault::unreadable, str("cannot be examined: ", errno_text(error)));
  }

  void visit_folder(const std::string& path, const struct stat& status) {
    if (!entered_.emplace(status.st_dev, status.st_ino).second)
      return skip(path, Fault::link, "is a folder that was read already under another name");
    if (is_run_folder(root_ / path))
      return skip(path, Fault::own_output, "is a run of catgan; none of its files is read");
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
