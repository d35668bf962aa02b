#include "training/training_data.h"

#include <charconv>
#include <cstdio>

#include <whisker/kernels/cpu/machine.h>

#include "drawing/drawn_cats.h"
#include "parallel.h"
#include "pictures/cache_folder.h"
#include "pictures/content_hash.h"
#include "random_streams.h"
#include "terminal_text.h"

namespace catgan {
namespace {

using namespace whisker;

DataFingerprint fingerprint_of(const Dataset& pictures) {
  const auto side = static_cast<std::size_t>(pictures.image_size());
  return {content_hash({pictures.picture(0), pictures.size() * side * side * 3}), pictures.size()};
}

Dataset draw_cats(const Config& config, const DataProgress& progress) {
  const auto count = static_cast<std::size_t>(config.drawn_cats);
  const auto side = static_cast<std::size_t>(config.size);
  const std::size_t bytes = count * side * side * 3;
  const std::string message =
      str("drawn_cats: ", count, " pictures of ", side, "x", side, " take ", bytes >> 20,
          " MiB, the machine has ", whisker::kernels::cpu::usable_memory() >> 20,
          " MiB; draw fewer or smaller ones");
  check<OutOfMemory>(bytes <= whisker::kernels::cpu::usable_memory(), message);
  std::vector<std::uint8_t> pixels;
  try {
    pixels.resize(bytes);
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(message);
  }
  for_each_index(
      count, config.threads,
      [&](std::size_t i) {
        draw_cat(config.seed, static_cast<std::uint32_t>(i), config.size,
                 pixels.data() + i * side * side * 3);
      },
      [&](std::size_t done) {
        if (progress) progress(done, count);
      });
  return Dataset::from_pictures(config.size, std::move(pixels));
}

TrainingData load_pictures(const Config& config, const DataProgress& progress) {
  if (config.data.empty()) {
    Dataset pictures = draw_cats(config, progress);
    const std::string text = str(pictures.size(), " cats drawn from seed ", config.seed, "\n");
    return {std::move(pictures), {}, text, text, {}};
  }
  LoadedDataset loaded = load_dataset({.folder = config.data,
                                       .image_size = config.size,
                                       .fit = config.fit,
                                       .cache_folder = user_cache_folder(),
                                       .threads = config.threads,
                                       .progress = progress});
  std::string summary = loaded.census.to_text();
  if (!loaded.new_cache.empty())
    summary += str("cached in ", printable_line(loaded.new_cache.string()),
                   "; `catgan cache` lists such files and removes them\n");
  return {std::move(loaded.pictures),
          {},
          std::move(summary),
          loaded.census.to_text(static_cast<std::size_t>(-1)),
          std::move(loaded.notes)};
}

}  // namespace

std::string DataFingerprint::to_string() const {
  char text[40];
  std::snprintf(text, sizeof text, "%llu:%016llx", static_cast<unsigned long long>(pictures),
                static_cast<unsigned long long>(hash));
  return text;
}

DataFingerprint parse_fingerprint(const std::string& text, const std::string& source) {
  DataFingerprint result;
  const char* end = text.data() + text.size();
  const auto count = std::from_chars(text.data(), end, result.pictures);
  bool good = count.ec == std::errc() && count.ptr != end && *count.ptr == ':';
  if (good) {
    const auto hash = std::from_chars(count.ptr + 1, end, result.hash, 16);
    good = hash.ec == std::errc() && hash.ptr == end;
  }
  check<InputError>(good, source, ": the fingerprint of the data, \"", text, "\", is malformed");
  return result;
}

TrainingData load_training_data(const Config& config, const DataProgress& progress) {
  TrainingData data = load_pictures(config, progress);
  check<UsageError>(config.steps_per_epoch(data.pictures.size()) > 0, "batch: ", config.batch,
                    " is more than the ", data.pictures.size(),
                    " pictures there are; choose a smaller --batch, or more pictures");
  check<UsageError>(config.total_steps(data.pictures.size()) <= kMostSteps,
                    "epochs: ", config.epochs, " take ", config.total_steps(data.pictures.size()),
                    " steps, at most ", kMostSteps, " are possible; choose fewer --epochs");
  data.fingerprint = fingerprint_of(data.pictures);
  return data;
}

Tensor draw_z(const Config& config, std::int64_t count, RandomKey key) {
  const Shape shape{count, config.z_size};
  if (config.z_distribution == ZDistribution::normal) return random_normal(shape, 0.0f, 1.0f, key);
  return random_uniform(shape, -1.0f, 1.0f, key);
}

Tensor training_z(const Config& config, std::int64_t step) {
  return draw_z(config, config.batch,
                {.seed = config.seed,
                 .stream = kTrainingNoiseStream,
                 .step = static_cast<std::uint32_t>(step)});
}

BatchSource::BatchSource(const Config& config, const Dataset& pictures)
    : config_(config), pictures_(pictures) {}

Tensor BatchSource::batch(std::int64_t step) {
  const std::int64_t per_epoch = config_.steps_per_epoch(pictures_.size());
  const std::int64_t epoch = step / per_epoch;
  if (epoch != epoch_of_order_) {
    order_ = pictures_.epoch_order(config_.seed, static_cast<std::uint32_t>(epoch));
    epoch_of_order_ = epoch;
  }
  RandomSequence coins(
      {.seed = config_.seed, .stream = kFlipStream, .step = static_cast<std::uint32_t>(step)});
  const std::int64_t side = pictures_.image_size();
  const bool full = config_.data_range == DataRange::full;
  const float scale = full ? 1.0f / 127.5f : 1.0f / 255.0f, shift = full ? -1.0f : -0.5f;
  Tensor result = Tensor::empty({config_.batch, side, side, 3}, Dtype::float32, Device::cpu());
  float* y = result.mutable_data<float>();
  for (std::int64_t i = 0; i < config_.batch; ++i) {
    const auto at = static_cast<std::size_t>(step % per_epoch * config_.batch + i);
    const std::uint8_t* row = pictures_.picture(order_[at]);
    const bool mirrored = config_.flip && (coins.next() & 1u) != 0;
    for (std::int64_t r = 0; r < side; ++r, row += side * 3) {
      for (std::int64_t c = 0; c < side; ++c) {
        const std::uint8_t* pixel = row + 3 * (mirrored ? side - 1 - c : c);
        for (int k = 0; k < 3; ++k)
          *y++ = static_cast<float>(pixel[k]) * scale + shift;
      }
    }
  }
  return result.to(whisker::default_device());
}

}  // namespace catgan
