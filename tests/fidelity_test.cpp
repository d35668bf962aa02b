// Replays the article's training as TensorFlow ran it; tests/golden/article_fidelity.py says how
// the golden file was made and what is in it.
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <whisker/core/safetensors.h>

#include "catch.h"
#include "config.h"
#include "testing.h"
#include "training/trainer.h"

namespace {

using namespace whisker;
using catgan::Config;
using catgan::StepResult;
using catgan::Trainer;
using Json = nlohmann::json;

const std::string kGolden = WHISKER_SOURCE_DIR "/tests/golden/article_fidelity";

Config article_config(const Json& settings) {
  Config config = catgan::make_preset("article");
  config.g_widths = settings.at("g_widths").get<std::vector<int>>();
  config.d_widths = settings.at("d_widths").get<std::vector<int>>();
  config.batch = settings.at("batch").get<int>();
  return config;
}

/// The runs' largest number; they differ from the truth by rounding alone.
double largest(const Json& runs) {
  double result = 0.0;
  for (const auto& [name, value] : runs.items())
    result = std::max(result, value.get<double>());
  return result;
}

double distance(const Tensor& a, const Tensor& b) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < a.numel(); ++i)
    sum += std::pow(whisker::testing::element(a, i) - whisker::testing::element(b, i), 2);
  return std::sqrt(sum);
}

double norm(const Tensor& a) {
  return distance(a, Tensor::zeros(a.shape()));
}

class Replay {
 public:
  Replay()
      : report_(Json::parse(std::ifstream(kGolden + ".json"))),
        golden_(load_safetensors(kGolden + ".safetensors").tensors),
        trainer_(article_config(report_.at("settings"))) {
    for (auto& [name, tensor] : trainer_.state())
      if (golden_.contains(name)) tensor.copy_from(golden_.at(name));
  }

  std::int64_t steps() const { return report_.at("settings").at("steps").get<std::int64_t>(); }

  StepResult step(std::int64_t i) {
    const Tensor& z = golden_.at("z");
    const Tensor z_i = z.view_rows(i, i + 1).view({z.dim(1), z.dim(2)});
    return trainer_.step(real_batch(i), z_i.to(default_device()));
  }

  double golden_loss(const std::string& name, std::int64_t i) const {
    return static_cast<double>(golden_.at(name).data<float>()[i]);
  }
  /// The largest relative error of TensorFlow's own float32 runs up to a step.
  double rounding_error(const std::string& loss, std::int64_t last) const {
    double result = 0.0;
    for (const auto& [run, errors] : report_.at("loss_error").at(loss).items())
      for (std::int64_t i = 0; i <= last; ++i)
        result = std::max(result, errors.at(static_cast<std::size_t>(i)).get<double>());
    return result;
  }

  /// Every tensor as far from the truth as rounding explains, times a factor.
  void check_weights(std::int64_t step, double factor) {
    const std::string prefix = str("step", step, ".");
    const auto state = trainer_.state();
    for (const auto& [name, row] : report_.at("rounding").at(std::to_string(step)).items()) {
      // Rounding noise alone moves these, see the docstring of the golden file's script.
      if (name.ends_with("conv.bias") || name.ends_with("moving_mean")) continue;
      const Tensor& truth = golden_.at(prefix + name);
      // The truth itself is rounded to float32, and so is each of the updates.
      const double units = 4.0 * std::numeric_limits<float>::epsilon() * norm(truth);
      INFO(prefix << name << " moved " << row.at("moved"));
      CHECK(distance(state.at(name), truth) <= factor * largest(row.at("distance")) + units);
    }
  }

 private:
  Tensor real_batch(std::int64_t i) const {
    const Tensor& pictures = golden_.at("pictures");
    const Tensor& batches = golden_.at("batches");
    const std::int64_t bytes = pictures.numel() / pictures.dim(0), n = batches.dim(1);
    Tensor real =
        Tensor::empty({n, pictures.dim(1), pictures.dim(2), 3}, Dtype::float32, Device::cpu());
    float* y = real.mutable_data<float>();
    for (std::int64_t k = 0; k < n; ++k) {
      const std::uint8_t* x =
          pictures.data<std::uint8_t>() + batches.data<std::int32_t>()[i * n + k] * bytes;
      for (std::int64_t j = 0; j < bytes; ++j)
        *y++ = static_cast<float>(x[j]) / 255.0f - 0.5f;
    }
    return real.to(default_device());
  }

  Json report_;
  std::map<std::string, Tensor> golden_;
  Trainer trainer_;
};

}  // namespace

TEST_CASE("50 steps of the article are those of TensorFlow up to rounding", "[fidelity]") {
  // Four runs of TensorFlow are few to know the spread of rounding errors from.
  constexpr double kFactor = 3.0;
  Replay replay;
  for (std::int64_t i = 0; i < replay.steps(); ++i) {
    const StepResult result = replay.step(i);
    for (const auto& [name, loss] :
         std::map<std::string, double>{{"d_loss", result.d_loss}, {"g_loss", result.g_loss}}) {
      const double golden = replay.golden_loss(name, i);
      const double error = std::abs(loss - golden) / std::abs(golden);
      INFO(name << " of step " << i + 1 << ": " << loss << ", TensorFlow in float64 has "
                << golden);
      const double rounding = i < 10 ? 0.0 : kFactor * replay.rounding_error(name, i);
      CHECK(error <= std::max(1e-4, rounding));
    }
    if (i + 1 == 10) replay.check_weights(10, kFactor);
  }
  replay.check_weights(50, kFactor);
}
