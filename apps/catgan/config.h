// Everything that defines a training run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <whisker/kernels/check.h>

#include "pictures/image_fit.h"

namespace catgan {

/// The command line asks for something that cannot be done; exit code 2.
class UsageError : public whisker::Error {
 public:
  using whisker::Error::Error;
};

/// Not damaged, but written by a newer version of catgan.
class FutureFormat : public whisker::InputError {
 public:
  using whisker::InputError::InputError;
};

enum class ZDistribution { uniform, normal };  // uniform is in (-1, 1)
enum class Norm { batch, selu };               // batch norm + leaky ReLU, or SELU alone
enum class DataRange { half, full };           // pictures in [-0.5, 0.5] or [-1, 1]
enum class Loss { cross_entropy, least_squares, hinge };
enum class AdamPlacement { tensorflow, pytorch };  // of epsilon, see optim/adam.h
enum class Precision { f32, tf32, bf16 };

struct Config {
  std::string preset;

  std::string data;  // folder of pictures; empty: drawn cats
  int drawn_cats = 8000;
  Fit fit = Fit::cover;
  DataRange data_range = DataRange::full;
  bool flip = false;

  int size = 64;
  int z_size = 100;
  ZDistribution z_distribution = ZDistribution::uniform;
  std::vector<int> g_widths;  // of the dense layer, then of each doubling of the size
  std::vector<int> d_widths, d_strides;
  Norm norm = Norm::batch;
  double slope = 0.2;
  double norm_epsilon = 1.001e-5;
  double norm_momentum = 0.99;
  int norm_updates = 1;  // how often a training forward of G counts in the moving statistics

  int batch = 32;
  std::int64_t steps = 0;   // 0: as many as `epochs` take
  std::int64_t epochs = 0;  // counts if steps is 0
  std::uint64_t seed = 0;
  Loss loss = Loss::cross_entropy;
  double label_smoothing = 0.0;  // real pictures are labelled 1 - this
  double g_rate = 2e-4, d_rate = 2e-4;
  double beta1 = 0.5, beta2 = 0.999;
  double adam_epsilon = 1e-8;
  AdamPlacement adam_placement = AdamPlacement::tensorflow;
  double ema_decay = 0.0;  // 0: no averaged generator
  Precision precision = Precision::f32;

  std::int64_t log_interval = 50;
  std::int64_t sample_interval = 250;  // 0: only at the end; so are the next two
  std::int64_t checkpoint_interval = 500;
  std::int64_t checkpoint_epochs = 0;  // in epochs, besides the interval in steps
  int keep = 3;
  int grid = 8;                 // pictures along a side of the sample grid
  std::string device = "auto";  // a run notes the device that it took
  int threads = 0;              // 0: all cores; a run notes the number that it took

  /// The number of training steps, given how many pictures there are.
  std::int64_t total_steps(std::size_t pictures) const;
  std::int64_t steps_per_epoch(std::size_t pictures) const;
  /// Side of the feature map that G's dense layer makes.
  int base_size() const { return size >> (g_widths.size() - 1); }

  friend bool operator==(const Config&, const Config&) = default;
};

/// "demo", "article", "recommended".
const std::vector<std::string>& preset_names();
/// Throws UsageError for an unknown name.
Config make_preset(const std::string& name);

/// Throws UsageError that names the setting, its value and the remedy.
void validate(const Config& config);
/// Whether JSON can hold the text.
bool is_utf8(const std::string& text);

/// All settings, in a fixed order, with the version of the form.
std::string to_json(const Config& config);
/// Reads what to_json() wrote. Throws whisker::InputError that begins with `source` and names the
/// setting: unknown, missing, given twice, of the wrong type, or out of range; FutureFormat.
Config config_from_json(const std::string& text, const std::string& source);

/// A setting as the command line knows it.
struct Setting {
  std::string name;  // "g_widths"
  std::string flag;  // "--g-widths"
  std::string help;
  std::string value;  // as set_setting() takes it
  bool may_change;    // when a run is resumed: it does not change what a step does
};
std::vector<Setting> settings_of(const Config& config);
/// Throws UsageError that begins with the flag.
void set_setting(Config& config, const std::string& name, const std::string& text);

struct Difference {
  Setting was, is;
};
std::vector<Difference> differences(const Config& was, const Config& is);

}  // namespace catgan
