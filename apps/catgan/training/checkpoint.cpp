#include "training/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include <whisker/core/folder_entries.h>
#include <whisker/core/safetensors.h>

namespace catgan {
namespace {

using namespace whisker;
namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr const char* kPrefix = "step-";
constexpr const char* kEnding = ".safetensors";

/// Whether the name is that of a checkpoint, and of which step.
bool parse_name(const std::string& name, std::int64_t& step) {
  const std::string prefix = kPrefix, ending = kEnding;
  if (name.size() <= prefix.size() + ending.size() || !name.starts_with(prefix) ||
      !name.ends_with(ending))
    return false;
  const char* begin = name.data() + prefix.size();
  const char* end = name.data() + name.size() - ending.size();
  const auto parsed = std::from_chars(begin, end, step);
  return parsed.ec == std::errc() && parsed.ptr == end && step >= 0;
}

const std::string& entry(const SafetensorsFile& file, const char* key, const fs::path& path) {
  const auto found = file.metadata.find(key);
  check<InputError>(found != file.metadata.end(), path.string(), ": has no \"", key,
                    "\" in its metadata, so it is no checkpoint of catgan; give a run folder or ",
                    "a file of its checkpoints folder");
  return found->second;
}

std::int64_t integer(const SafetensorsFile& file, const char* key, const fs::path& path) {
  const std::string& text = entry(file, key, path);
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  check<InputError>(parsed.ec == std::errc() && parsed.ptr == text.data() + text.size(),
                    path.string(), ": \"", key, "\" in its metadata wants an integer, got ", text);
  return value;
}

}  // namespace

fs::path checkpoint_path(const fs::path& folder, std::int64_t step) {
  char name[64];
  std::snprintf(name, sizeof name, "%s%08lld%s", kPrefix, static_cast<long long>(step), kEnding);
  return folder / name;
}

std::vector<fs::path> list_checkpoints(const fs::path& folder) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  std::error_code error;
  const bool there = fs::exists(folder, error);
  check<IoError>(!error, folder.string(), ": cannot be examined: ", error.message());
  if (!there) return {};
  for (const std::string& name : folder_entries(folder)) {
    std::int64_t step = 0;
    if (parse_name(name, step)) found.emplace_back(step, folder / name);
  }
  std::sort(found.begin(), found.end());
  std::vector<fs::path> paths;
  for (auto& [step, path] : found)
    paths.push_back(std::move(path));
  return paths;
}

fs::path save_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  const fs::path path = checkpoint_path(folder, checkpoint.step);
  save_safetensors(path, {.tensors = checkpoint.tensors,
                          .metadata = {{"format", "pt"},
                                       {"catgan.format", std::to_string(kFormat)},
                                       {"step", std::to_string(checkpoint.step)},
                                       {"config", to_json(checkpoint.config)},
                                       {"data", checkpoint.data.to_string()},
                                       {"statistics", checkpoint.statistics}}});
  return path;
}

void remove_old_checkpoints(const fs::path& folder, const fs::path& newest, int keep) {
  const std::vector<fs::path> all = list_checkpoints(folder);
  std::ptrdiff_t surplus = std::ssize(all) - std::max(keep, 1);
  for (const fs::path& old : all) {
    if (surplus <= 0) break;
    if (old == newest) continue;
    std::error_code error;
    fs::remove(old, error);
    check<IoError>(!error, old.string(),
                   ": the old checkpoint cannot be removed: ", error.message());
    --surplus;
  }
}

fs::path save_checkpoint(const fs::path& folder, const Checkpoint& checkpoint, int keep) {
  const fs::path path = save_checkpoint(folder, checkpoint);
  remove_old_checkpoints(folder, path, keep);
  return path;
}

Checkpoint load_checkpoint(const fs::path& path) {
  SafetensorsFile file = load_safetensors(path);
  const std::int64_t format = integer(file, "catgan.format", path);
  check<FutureFormat>(format <= kFormat, path.string(), ": is of checkpoint format ", format,
                      ", this catgan reads format ", kFormat,
                      "; a newer catgan wrote it, so use that one");
  check<InputError>(format == kFormat, path.string(), ": there is no checkpoint format ", format);
  Checkpoint checkpoint;
  checkpoint.step = integer(file, "step", path);
  checkpoint.config = config_from_json(entry(file, "config", path), path.string() + ": config");
  checkpoint.data = parse_fingerprint(entry(file, "data", path), path.string());
  checkpoint.statistics = entry(file, "statistics", path);
  checkpoint.tensors = std::move(file.tensors);
  return checkpoint;
}

FoundCheckpoint load_newest_checkpoint(const fs::path& folder) {
  FoundCheckpoint result;
  std::vector<fs::path> paths = list_checkpoints(folder);
  while (!paths.empty()) {
    try {
      result.checkpoint = load_checkpoint(paths.back());
      result.path = paths.back();
      return result;
    } catch (const FutureFormat&) {
      throw;
    } catch (const InputError& error) {
      result.notes.push_back(error.what());
      result.damaged.push_back(paths.back());
    }
    paths.pop_back();
  }
  std::string reasons;
  for (const std::string& note : result.notes)
    reasons += "\n  " + note;
  throw InputError(str(folder.string(), ": there is no checkpoint that can be read", reasons));
}

}  // namespace catgan
