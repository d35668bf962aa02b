// Checkpoints: one safetensors file each, with everything that continuing needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <whisker/core/tensor.h>

#include "config.h"
#include "training/training_data.h"

namespace catgan {

struct Checkpoint {
  std::int64_t step = 0;
  Config config;
  DataFingerprint data;
  std::string statistics;                          // of a log interval that has begun, as JSON
  std::map<std::string, whisker::Tensor> tensors;  // Trainer::state()
};

/// folder/step-00001234.safetensors.
std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t step);
/// The checkpoints of a folder, oldest first. Throws whisker::IoError.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);

/// Writes one atomically. Returns its path. Throws whisker::IoError; the old ones are all there
/// then.
std::filesystem::path save_checkpoint(const std::filesystem::path& folder,
                                      const Checkpoint& checkpoint);
/// Removes the oldest beyond `keep`, but never `newest`. Throws whisker::IoError.
void remove_old_checkpoints(const std::filesystem::path& folder,
                            const std::filesystem::path& newest, int keep);
/// Both.
std::filesystem::path save_checkpoint(const std::filesystem::path& folder,
                                      const Checkpoint& checkpoint, int keep);

/// Throws whisker::InputError (no catgan checkpoint, damaged, of a future format),
/// whisker::IoError.
Checkpoint load_checkpoint(const std::filesystem::path& path);

struct FoundCheckpoint {
  Checkpoint checkpoint;
  std::filesystem::path path;
  std::vector<std::filesystem::path> damaged;  // newer ones that cannot be read
  std::vector<std::string> notes;              // and why
};
/// The newest checkpoint of a folder that can be read. Throws whisker::InputError if none can, or
/// FutureFormat if one is not damaged but too new: an older one would silently undo it.
FoundCheckpoint load_newest_checkpoint(const std::filesystem::path& folder);

}  // namespace catgan
