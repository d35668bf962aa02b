#include "training/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include <whisker/core/atomic_file.h>
#include <whisker/core/input_file.h>

namespace catgan {
namespace {

using namespace whisker;
namespace fs = std::filesystem;

constexpr const char* kReadme = R"(This folder is one training run of catgan.

config.json   every setting of the run; `catgan train --config config.json` repeats it
census.txt    where the pictures came from, and which files were left out and why
log.txt       what was printed
stats.jsonl   one JSON object for each interval: step, epoch, d_loss and g_loss (means over the
              interval), d_real and d_fake (what D takes real and generated pictures for: 1 is
              real), img_per_s, seconds, peak_rss_mb
samples/      reals.png: pictures that D learns from
              step-NNNNNN.png: what G makes of the same random numbers, step by step
checkpoints/  step-NNNNNNNN.safetensors: weights (g., d., ema.), optimizer state (g_adam., d_adam.)
              and, in the metadata, the settings

  catgan resume FOLDER              go on where the newest checkpoint ends, bit for bit
  catgan resume FOLDER --steps N    the same, up to step N
  catgan sample FOLDER --count 16   draw new pictures

Deleting anything but checkpoints/ loses nothing that training needs.
)";

std::string reason() {
  return std::strerror(errno);
}

/// Whether there is something; throws where that may not be seen.
bool is_there(const fs::path& path) {
  std::error_code error;
  const bool found = fs::exists(path, error);
  check<IoError>(!error, path.string(), ": cannot be examined: ", error.message());
  return found;
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  check<IoError>(!error, path.string(), ": the folder cannot be made: ", error.message(),
                 "; choose another place with --out");
}

std::string printable_name(std::string text) {
  for (char& c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (!plain) c = '_';
  }
  return text.substr(0, 60);
}

std::string data_name(const Config& config) {
  if (config.data.empty()) return "drawn";
  fs::path path = fs::path(config.data).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string name = printable_name(path.filename().string());
  return name.empty() ? "pictures" : name;
}

/// Makes runs/00000-..., with the number after the highest there is.
fs::path make_numbered(const Config& config) {
  const fs::path root = "runs";
  make_folder(root);
  int next = 0;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    int number = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
    if (parsed.ec == std::errc() && number >= 0 && number < 1000000000)
      next = std::max(next, number + 1);
  }
  check<IoError>(!error, root.string(), ": cannot be listed: ", error.message());
  while (true) {
    char number[16];
    std::snprintf(number, sizeof number, "%05d", next++);
    const fs::path path = root / str(number, "-", config.preset, "-", data_name(config));
    // Two processes that begin at once both see the same highest number; one of them makes it.
    if (fs::create_directory(path, error)) return path;
    check<IoError>(!error, path.string(), ": the folder cannot be made: ", error.message(),
                   "; choose another place with --out");
  }
}

}  // namespace

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  check<IoError>(lock_ >= 0, path_.string(), ": the folder cannot be opened: ", reason());
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
  const bool taken = errno == EWOULDBLOCK;
  // A file system without locks, as some network ones are, must not stop anybody from training.
  if (!taken) return;
  ::close(lock_);
  throw UsageError(str(path_.string(), ": another catgan is training in this folder; wait for it, ",
                       "or stop it"));
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

RunFolder RunFolder::create(const Config& config, const fs::path& out) {
  if (!out.empty()) {
    std::error_code error;
    const bool is_other = fs::exists(out, error) && !fs::is_directory(out, error);
    check<UsageError>(!is_other, "--out: ", out.string(), " is a file; name a new folder");
    const bool occupied = fs::is_directory(out, error) && !fs::is_empty(out, error);
    check<IoError>(!error || error == std::errc::no_such_file_or_directory, out.string(),
                   ": cannot be read: ", error.message());
    check<UsageError>(!occupied, "--out: ", out.string(), " is not empty; name a new folder, or ",
                      "go on with the run in it: catgan resume ", out.string());
    make_folder(out);
  }
  RunFolder folder(out.empty() ? make_numbered(config) : out);
  folder.make_subfolders();
  write_file_atomically(folder.path_ / "README.txt", kReadme);
  return folder;
}

RunFolder RunFolder::open(const fs::path& path) {
  check<InputError>(is_there(path) && fs::is_directory(path), path.string(),
                    ": there is no such folder; name the folder of a run");
  const bool is_run = is_there(path / "config.json") || is_there(path / "checkpoints");
  check<InputError>(is_run, path.string(), ": is no run folder: it has neither config.json nor ",
                    "checkpoints; name a folder that `catgan train` made");
  RunFolder folder(path);
  folder.make_subfolders();
  return folder;
}

void RunFolder::make_subfolders() const {
  make_folder(samples());
  make_folder(checkpoints());
  for (const fs::path& folder : {path_, samples(), checkpoints()})
    remove_stale_temporaries(folder);
}

fs::path RunFolder::grid_file(std::int64_t step) const {
  char name[48];
  std::snprintf(name, sizeof name, "step-%06lld.png", static_cast<long long>(step));
  return samples() / name;
}

std::string read_text_file(const fs::path& path) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 28;
  InputFile file(path);
  check<InputError>(file.size() <= kMost, path.string(), ": ", file.size(),
                    " bytes are too many for a text file of catgan");
  std::string text(file.size(), '\0');
  file.read(std::as_writable_bytes(std::span(text)));
  return text;
}

void cut_statistics(const fs::path& path, std::int64_t step) {
  std::error_code error;
  if (!fs::exists(path, error)) return;
  const std::string text = read_text_file(path);
  std::string kept;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) continue;
    const auto found = json.find("step");
    if (found == json.end() || !found->is_number_integer()) continue;
    if (found->get<std::int64_t>() <= step) kept += line + "\n";
  }
  if (kept != text) write_file_atomically(path, kept);
}

}  // namespace catgan
