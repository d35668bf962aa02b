#include "config.h"

#include <algorithm>
#include <string_view>

#include "config_fields.h"
#include "pictures/stb_encode.h"

namespace catgan {
namespace {

using whisker::check;
using whisker::str;

Config demo() {
  Config c;
  c.preset = "demo";
  c.g_widths = {128, 64, 32, 16, 8};
  c.d_widths = {8, 16, 32, 64, 128};
  c.d_strides = {2, 2, 2, 1, 2};
  c.steps = 4000;
  c.g_rate = 2e-4;
  c.d_rate = 2e-4;
  c.ema_decay = 0.995;
  return c;
}

/// Literally what the article's notebook runs.
Config article() {
  Config c;
  c.preset = "article";
  c.fit = Fit::stretch;
  c.data_range = DataRange::half;
  c.size = 128;
  c.g_widths = {1024, 512, 256, 128, 64};
  c.d_widths = {64, 128, 256, 512, 1024};
  c.d_strides = {2, 2, 2, 1, 2};
  c.norm_updates = 2;
  c.batch = 64;
  c.epochs = 215;
  c.g_rate = 2e-4;
  c.d_rate = 5e-5;
  c.log_interval = 10;
  c.sample_interval = 100;
  c.checkpoint_interval = 0;
  c.checkpoint_epochs = 5;
  return c;
}

/// The article's nets with what was learned since: pictures that span tanh's range (Radford et al.
/// 2016), smoothed labels (Salimans et al. 2016), an averaged generator (Karras et al. 2018) and
/// mirrored pictures; D learns more slowly than G, as few pictures are soon known by heart.
Config recommended() {
  Config c = article();
  c.preset = "recommended";
  c.fit = Fit::cover;
  c.data_range = DataRange::full;
  c.flip = true;
  c.norm_updates = 1;
  c.label_smoothing = 0.1;
  c.g_rate = 2e-4;
  c.d_rate = 1e-4;
  c.ema_decay = 0.999;
  c.checkpoint_epochs = 1;
  return c;
}

}  // namespace

std::int64_t Config::steps_per_epoch(std::size_t pictures) const {
  return static_cast<std::int64_t>(pictures) / batch;
}

std::int64_t Config::total_steps(std::size_t pictures) const {
  return steps > 0 ? steps : epochs * steps_per_epoch(pictures);
}

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names{"demo", "article", "recommended"};
  return names;
}

Config make_preset(const std::string& name) {
  if (name == "demo") return demo();
  if (name == "article") return article();
  if (name == "recommended") return recommended();
  throw UsageError(
      str("--preset: there is no preset ", name, "; choose demo, article or recommended"));
}

namespace {

/// Whether there is such a device is known where the settings are used.
bool names_device(std::string_view text) {
  if (text == "auto" || text == "cpu" || text == "cuda") return true;
  constexpr std::string_view kPrefix = "cuda:";
  return text.starts_with(kPrefix) && text.size() > kPrefix.size() &&
         text.find_first_not_of("0123456789", kPrefix.size()) == text.npos;
}

/// Checks one field against its range.
struct RangeCheck {
  template <class T>
  void operator()(const Field& field, const T& value) const {
    if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
      const auto v = static_cast<double>(value);
      check<UsageError>(v >= field.low && v <= field.high, field.name, ": ", value, " is outside ",
                        field.low, " to ", field.high);
    } else if constexpr (std::is_same_v<T, std::vector<int>>) {
      for (const int v : value)
        check<UsageError>(v >= field.low && v <= field.high, field.name, ": ", v, " is outside ",
                          field.low, " to ", field.high);
    }
  }
};

}  // namespace

void validate(const Config& config) {
  for_each_field(config, RangeCheck{});
  // Names of run folders contain it.
  check<UsageError>(std::ranges::find(preset_names(), config.preset) != preset_names().end(),
                    "preset: wants demo, article or recommended, got ", config.preset);
  const std::size_t ups = config.g_widths.size() - 1;
  check<UsageError>(config.g_widths.size() >= 2, "g_widths: ", config.g_widths.size(),
                    " widths; G wants two or more, such as 128,64,32,16,8");
  check<UsageError>(ups <= 10 && config.size % (1 << ups) == 0, "size: ", config.size,
                    " is not a multiple of ", 1 << std::min<std::size_t>(ups, 10), ", as the ", ups,
                    " doublings of g_widths want; choose a multiple, or give ",
                    "g_widths fewer or more numbers");
  check<UsageError>(!config.d_widths.empty(), "d_widths: D wants one width or more");
  check<UsageError>(config.d_widths.size() == config.d_strides.size(),
                    "d_strides: ", config.d_strides.size(), " strides for ", config.d_widths.size(),
                    " d_widths; give one stride for each width");
  const auto grid_bytes = [&](std::int64_t grid) {
    const std::int64_t side = grid * config.size;
    return (3 * side + 1) * side;
  };
  int most = config.grid;
  while (grid_bytes(most) > kMaxPngBytes)
    --most;
  check<UsageError>(most == config.grid, "grid: ", config.grid, "x", config.grid, " pictures of ",
                    config.size, "x", config.size, " are more than one PNG file can be made of; ",
                    "choose at most --grid ", most, ", or a smaller --size");
  check<UsageError>(names_device(config.device), "--device: \"", config.device,
                    "\" is none of auto, cpu, cuda, cuda:<index>");
  check<UsageError>(is_utf8(config.data), "data: the path ", config.data, " is not UTF-8, which ",
                    "config.json cannot hold; rename the folder, or give a link to it");
  check<UsageError>(config.steps > 0 || config.epochs > 0,
                    "steps: 0, and epochs is 0 too; give --steps or --epochs");
}

}  // namespace catgan
