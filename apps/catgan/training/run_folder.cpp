#include "training/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

#include <whisker/core/atomic_file.h>
#include <whisker/core/folder_entries.h>
#include <whisker/core/input_file.h>

#include "json_text.h"
#include "terminal_text.h"

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
pictures/     what `catgan sample` drew, a folder for each checkpoint and seed
checkpoints/  step-NNNNNNNN.safetensors: weights (g., d., ema.), optimizer state (g_adam., d_adam.)
              and, in the metadata, the settings

  catgan resume FOLDER              go on where the newest checkpoint ends, bit for bit
  catgan resume FOLDER --steps N    the same, up to step N
  catgan sample FOLDER --count 16   draw new pictures

Deleting anything but checkpoints/ loses nothing that training needs. What could not be written,
because the disk was full, say, is missing here: the last lines that the run printed name it.
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
  for (const std::string& name : folder_entries(root)) {
    int number = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
    if (parsed.ec == std::errc() && number >= 0 && number < 1000000000)
      next = std::max(next, number + 1);
  }
  while (true) {
    std::error_code error;
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
  do {
    lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } while (lock_ < 0 && errno == EINTR);
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
    if (is_there(out)) {
      check<UsageError>(fs::is_directory(out), "--out: ", out.string(),
                        " is a file; name a new folder");
      check<UsageError>(folder_entries(out).empty(), "--out: ", out.string(),
                        " is not empty; name a new folder, or go on with the run in it: ",
                        "catgan resume ", shell_word(out.string()));
    }
    make_folder(out);
  }
  RunFolder folder(out.empty() ? make_numbered(config) : out);
  folder.make_subfolders();
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

void RunFolder::write_readme() const {
  write_file_atomically(readme_file(), kReadme);
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

namespace {

/// The step of a line of statistics; -1 if it is none.
std::int64_t step_of(const std::string& line) try {
  const auto json = parse_json(line, "statistics");
  const auto found = json.is_object() ? json.find("step") : json.end();
  return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
} catch (const InputError&) {
  return -1;
}

}  // namespace

int cut_statistics(const fs::path& path, std::int64_t step) {
  if (!is_there(path)) return 0;
  int dropped = 0;
  const std::string text = read_text_file(path);
  std::string kept;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::int64_t of_line = step_of(line);
    if (of_line < 0) ++dropped;
    if (of_line >= 0 && of_line <= step) kept += line + "\n";
  }
  if (kept != text) write_file_atomically(path, kept);
  return dropped;
}

}  // namespace catgan
