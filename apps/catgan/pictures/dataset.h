// Training pictures in memory, from a folder of files or drawn by the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "pictures/census.h"
#include "pictures/image_fit.h"

namespace catgan {

/// Square RGB pictures of one size, packed as [size(), image_size(), image_size(), 3].
class Dataset {
 public:
  /// Takes pictures that lie one after another. Throws whisker::Error unless they are whole.
  static Dataset from_pictures(int image_size, std::vector<std::uint8_t> pixels);

  std::size_t size() const { return pixels_.size() / picture_bytes_; }
  int image_size() const { return image_size_; }
  /// [image_size(), image_size(), 3], 0 to 255.
  const std::uint8_t* picture(std::size_t index) const {
    return pixels_.data() + index * picture_bytes_;
  }

  /// Every index once, in the order of one epoch: Fisher-Yates (Durstenfeld, CACM 1964) with the
  /// numbers of (seed, shuffling, epoch), so a resumed run finds the order again.
  std::vector<std::uint32_t> epoch_order(std::uint64_t seed, std::uint32_t epoch) const;

 private:
  Dataset(int image_size, std::vector<std::uint8_t> pixels);

  int image_size_;
  std::size_t picture_bytes_;
  std::vector<std::uint8_t> pixels_;
};

struct DatasetOptions {
  std::filesystem::path folder;
  int image_size = 64;
  Fit fit = Fit::cover;
  std::filesystem::path cache_folder;  // empty: no cache
  int threads = 0;                     // 0: one per core
  /// Called on the calling thread while pictures are decoded; may throw to stop.
  std::function<void(std::size_t done, std::size_t total)> progress;
};

struct LoadedDataset {
  Dataset pictures;
  Census census;
  bool from_cache = false;
  std::filesystem::path new_cache;  // the cache file that was written, if one was
  std::vector<std::string> notes;   // what the user should know about the cache; never fatal
};

/// Reads every JPEG and PNG of a folder tree, in the order of their relative paths whatever the
/// number of threads. Bad files are skipped and listed in the census.
/// Throws whisker::InputError if no picture is usable, whisker::IoError if the folder cannot be
/// read, whisker::OutOfMemory if the pictures do not fit.
LoadedDataset load_dataset(const DatasetOptions& options);

}  // namespace catgan
