#include "pictures/dataset.h"

#include <algorithm>
#include <limits>
#include <new>
#include <numeric>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <whisker/core/random_sequence.h>
#include <whisker/kernels/cpu/machine.h>

#include "parallel.h"
#include "pictures/content_hash.h"
#include "pictures/dataset_cache.h"
#include "pictures/folder_scan.h"
#include "pictures/image_decode.h"

namespace catgan {
namespace {

using whisker::check;
using whisker::str;

constexpr std::uint32_t kShuffleStream = 0x53485546;  // "SHUF": these numbers are for nothing else
constexpr int kMaxImageSize = 4096;

std::size_t bytes_per_picture(int image_size) {
  return 3 * static_cast<std::size_t>(image_size) * static_cast<std::size_t>(image_size);
}

std::uint64_t hash_text(const std::string& text) {
  return content_hash({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

/// What became of one candidate.
struct Outcome {
  std::uint64_t content = 0;
  bool usable = false;
  Fault fault = Fault::not_a_picture;
  std::string reason;
};

class FolderLoader {
 public:
  explicit FolderLoader(const DatasetOptions& options)
      : options_(options), listing_(scan_folder(options.folder)) {}

  LoadedDataset run() {
    std::vector<std::string> notes;
    std::optional<DecodedPictures> decoded = from_cache(notes);
    const bool hit = decoded.has_value();
    bool stored = false;
    if (!hit) {
      decoded = decode_all();
      stored = to_cache(*decoded, notes);
    }
    Census census = make_census(*decoded);
    if (census.usable == 0)
      throw whisker::InputError(str(options_.folder.string(),
                                    ": no usable picture; catgan reads JPEG and PNG files ",
                                    "in this folder and the folders below it\n", census.to_text()));
    return {Dataset::from_pictures(options_.image_size, std::move(decoded->pixels)),
            std::move(census), hit, stored ? cache_path() : std::filesystem::path(),
            std::move(notes)};
  }

 private:
  bool caching() const { return !options_.cache_folder.empty() && !listing_.candidates.empty(); }

  std::filesystem::path path_of(const Candidate& candidate) const {
    return options_.folder / candidate.path;
  }

  std::filesystem::path cache_path() const {
    return cache_file(options_.cache_folder, options_.folder, options_.image_size, options_.fit);
  }

  std::uint64_t key_of(const std::vector<Outcome>& outcomes) const {
    std::vector<FileIdentity> files;
    for (std::size_t i = 0; i < outcomes.size(); ++i)
      files.push_back({listing_.candidates[i].path, outcomes[i].content});
    return dataset_key(files, options_.image_size, options_.fit);
  }

  std::optional<DecodedPictures> from_cache(std::vector<std::string>& notes) const {
    if (!caching()) return std::nullopt;
    std::string reason;
    try {
      if (!std::filesystem::exists(cache_path())) return std::nullopt;
      return load_cache(cache_path(), key_of(hash_all()), options_.image_size);
    } catch (const whisker::InputError& error) {
      reason = error.what();
    } catch (const std::system_error& error) {
      reason = error.code().message();
    }
    notes.push_back(
        str("decoding again, the cache ", cache_path().string(), " is not used: ", reason));
    return std::nullopt;
  }

  /// Whether it was written.
  bool to_cache(const DecodedPictures& decoded, std::vector<std::string>& notes) const {
    if (!caching()) return false;
    const std::string consequence =
        "the pictures are not cached, the next start decodes them again: ";
    try {
      store_cache(cache_path(), key_, options_.folder, options_.image_size, decoded);
      return true;
    } catch (const whisker::IoError& error) {
      notes.push_back(consequence + error.what());
    } catch (const std::system_error& error) {
      notes.push_back(
          str(consequence, options_.cache_folder.string(), ": ", error.code().message()));
    } catch (const std::bad_alloc&) {
      notes.push_back(consequence + "out of memory");
    }
    return false;
  }

  /// Reads a candidate, passes its bytes on, and keeps what identifies its content.
  template <class Use>
  Outcome examine(const Candidate& candidate, const Use& use) const {
    Outcome outcome;
    try {
      const std::vector<std::uint8_t> bytes = read_image_file(path_of(candidate));
      outcome.content = content_hash(bytes);
      use(bytes);
      outcome.usable = true;
    } catch (const ImageError& error) {
      outcome.fault = error.fault();
      outcome.reason = error.what();
      if (outcome.content == 0) outcome.content = hash_text(outcome.reason);
      if (error.fault() == Fault::unknown_data && !candidate.named_as_picture)
        outcome.fault = Fault::not_a_picture;
    }
    return outcome;
  }

  std::vector<Outcome> hash_all() const {
    std::vector<Outcome> outcomes(listing_.candidates.size());
    for_each_index(outcomes.size(), options_.threads, [&](std::size_t i) {
      outcomes[i] = examine(listing_.candidates[i], [](const auto&) {});
    });
    return outcomes;
  }

  DecodedPictures decode_all() {
    const std::size_t count = listing_.candidates.size();
    const std::size_t stride = bytes_per_picture(options_.image_size);
    DecodedPictures decoded;
    decoded.pixels = allocate(count, stride);
    std::vector<Outcome> outcomes(count);
    const auto decode_one = [&](std::size_t i) {
      outcomes[i] = examine(listing_.candidates[i], [&](const auto& bytes) {
        const Image image = decode_image(bytes);
        if (!image.own_kind.empty())
          throw ImageError(Fault::own_output,
                           str("is a ", image.own_kind, " that catgan made, no training picture"));
        const auto fitted = fit_image(image, options_.image_size, options_.fit);
        std::copy(fitted.begin(), fitted.end(),
                  decoded.pixels.begin() + static_cast<std::ptrdiff_t>(i * stride));
      });
    };
    const auto report = [&](std::size_t done) {
      if (options_.progress) options_.progress(done, count);
    };
    try {
      for_each_index(count, options_.threads, decode_one, report);
    } catch (const std::bad_alloc&) {
      throw whisker::OutOfMemory(str(options_.folder.string(), ": out of memory while decoding"));
    }
    key_ = key_of(outcomes);
    sort_out(outcomes, stride, decoded);
    return decoded;
  }

  std::vector<std::uint8_t> allocate(std::size_t count, std::size_t stride) const {
    const std::size_t memory = whisker::kernels::cpu::usable_memory();
    const std::string message =
        str(options_.folder.string(), ": ", count, " pictures of ", options_.image_size, "x",
            options_.image_size, " take ", (count * stride) >> 20, " MiB, the machine has ",
            memory >> 20, " MiB; use a smaller size or fewer pictures");
    if (count > memory / stride) throw whisker::OutOfMemory(message);
    try {
      return std::vector<std::uint8_t>(count * stride);
    } catch (const std::bad_alloc&) {
      throw whisker::OutOfMemory(message);
    }
  }

  /// Closes the gaps that unusable files left and counts copies.
  void sort_out(const std::vector<Outcome>& outcomes, std::size_t stride,
                DecodedPictures& decoded) const {
    std::vector<std::uint64_t> contents;
    const auto at = [&](std::size_t index) {
      return decoded.pixels.begin() + static_cast<std::ptrdiff_t>(index * stride);
    };
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].usable) {
        if (contents.size() != i) std::copy(at(i), at(i + 1), at(contents.size()));
        contents.push_back(outcomes[i].content);
      } else {
        decoded.skipped.push_back(
            {listing_.candidates[i].path, outcomes[i].fault, outcomes[i].reason});
      }
    }
    decoded.pixels.resize(contents.size() * stride);
    decoded.pixels.shrink_to_fit();
    const std::size_t usable = contents.size();
    std::sort(contents.begin(), contents.end());
    contents.erase(std::unique(contents.begin(), contents.end()), contents.end());
    decoded.duplicates = usable - contents.size();
  }

  Census make_census(const DecodedPictures& decoded) const {
    Census census;
    census.folder = options_.folder.string();
    census.usable = decoded.pixels.size() / bytes_per_picture(options_.image_size);
    census.duplicates = decoded.duplicates;
    census.skipped = listing_.skipped;
    census.skipped.insert(census.skipped.end(), decoded.skipped.begin(), decoded.skipped.end());
    std::sort(census.skipped.begin(), census.skipped.end(),
              [](const SkippedFile& a, const SkippedFile& b) { return a.path < b.path; });
    return census;
  }

  const DatasetOptions& options_;
  FolderListing listing_;
  std::uint64_t key_ = 0;  // of what decode_all read
};

}  // namespace

Dataset::Dataset(int image_size, std::vector<std::uint8_t> pixels)
    : image_size_(image_size),
      picture_bytes_(bytes_per_picture(image_size)),
      pixels_(std::move(pixels)) {}

Dataset Dataset::from_pictures(int image_size, std::vector<std::uint8_t> pixels) {
  check(image_size >= 1 && image_size <= kMaxImageSize, "Dataset: image size must be 1 to ",
        kMaxImageSize, ", got ", image_size);
  check(pixels.size() % bytes_per_picture(image_size) == 0, "Dataset: ", pixels.size(),
        " bytes are not a whole number of ", image_size, "x", image_size, " RGB pictures");
  return Dataset(image_size, std::move(pixels));
}

std::vector<std::uint32_t> Dataset::epoch_order(std::uint64_t seed, std::uint32_t epoch) const {
  check(size() <= std::numeric_limits<std::uint32_t>::max(), "Dataset: too many pictures");
  std::vector<std::uint32_t> order(size());
  std::iota(order.begin(), order.end(), 0u);
  whisker::RandomSequence random({.seed = seed, .stream = kShuffleStream, .step = epoch});
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[random.below(static_cast<std::uint32_t>(left))]);
  return order;
}

LoadedDataset load_dataset(const DatasetOptions& options) {
  check(options.image_size >= 1 && options.image_size <= kMaxImageSize,
        "load_dataset: image size must be 1 to ", kMaxImageSize, ", got ", options.image_size);
  return FolderLoader(options).run();
}

}  // namespace catgan
