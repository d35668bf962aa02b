// One step of GAN training, and all state that it changes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <whisker/core/graph.h>
#include <whisker/layers/nn.h>
#include <whisker/optim/adam.h>
#include <whisker/optim/ema.h>

#include "config.h"
#include "training/step_report.h"

namespace catgan {

struct StepResult {
  double d_loss = 0.0, g_loss = 0.0;
  double d_real = 0.0, d_fake = 0.0;  // mean of sigmoid(D) for real and fake, in D's update
};

/// Trains D, then G, as the article orders it:
///   fake = G(z)
///   D: gradients of loss(D(real), real) + loss(D(fake), fake); each pass has its own batch
///      statistics; Adam
///   G: gradients of loss(D(fake), real) with the new D; Adam
/// The article runs G(z) for each of the two; G and z are the same then, so one run serves both.
class Trainer {
 public:
  explicit Trainer(const Config& config);

  /// real [N, size, size, 3] in the range of the configuration, z [N, z_size], both float32.
  /// Throws whisker::NumericError that names the first tensor that is not finite; the weights are
  /// those of the step before then, or D's are one update ahead. The same holds if it throws
  /// anything else, such as OutOfMemory; Adam's count of D's steps goes with D's weights.
  StepResult step(const whisker::Tensor& real, const whisker::Tensor& z);

  std::int64_t steps() const { return steps_; }

  whisker::nn::Module& generator() { return *g_; }
  whisker::nn::Module& discriminator() { return *d_; }
  /// On a GPU step() records its work after two steps and then replays it, which gives the same
  /// bits and takes less of the CPU. For those who want to see each kernel; initially what the
  /// environment variable WHISKER_GRAPH says, on or off.
  void use_graph(bool use) { uses_graph_ = use; }

  /// Calls use(net) with the generator that samples are drawn from, in evaluation mode: a copy with
  /// the averages where the configuration has them, else of G, and with moving statistics that no
  /// longer remember their initial values. The preset article has G itself, as the article does.
  void with_sampling_generator(const std::function<void(whisker::nn::Module&)>& use);

  /// Handles to everything that a step reads or changes: g.*, d.*, g_adam.*, d_adam.*, ema.*,
  /// steps. Copies, if they are to outlive the next step, are up to the caller.
  std::map<std::string, whisker::Tensor> state();
  /// Copies state in; throws whisker::InputError that names what does not fit, and may then have
  /// changed part of the state.
  void load_state(const std::map<std::string, whisker::Tensor>& state);

  /// Throws whisker::NumericError with the name of the first tensor of the state that is not
  /// finite.
  void check_finite();

 private:
  /// Everything that a step does on the device; `report_` tells how it went.
  void run(const whisker::Tensor& real, const whisker::Tensor& z);
  /// The same without a recording: counts D's update if G's does not come to pass.
  void run_now(const whisker::Tensor& real, const whisker::Tensor& z);
  void run_or_replay(const whisker::Tensor& real, const whisker::Tensor& z);
  void record();
  bool blocks_discriminator(std::int32_t first_bad) const;
  void update_discriminator(const whisker::Tensor& real, const whisker::Tensor& fake);
  void update_generator(whisker::Tensor fake);
  /// Updates the net unless a number that is none turned up so far, in its losses and gradients
  /// last, which are known by the numbers from `number` on.
  void update(whisker::nn::Module& net, whisker::optim::Adam& adam,
              std::vector<whisker::Tensor> losses, std::int32_t number);
  [[noreturn]] void fail(std::int32_t first_bad, const whisker::Tensor& real,
                         const whisker::Tensor& z);

  Config config_;
  std::unique_ptr<whisker::nn::Module> g_, d_;
  std::optional<whisker::optim::Adam> g_adam_, d_adam_;
  std::optional<whisker::optim::Ema> ema_;
  std::optional<StepReport> report_;
  std::int64_t steps_ = 0;
  std::int64_t d_updates_queued_ = 0;  // or recorded

  bool uses_graph_;
  int steps_before_recording_ = 0;
  whisker::Tensor real_, z_;  // what the graph reads
  std::optional<whisker::Graph> graph_;
};

/// Throws whisker::InputError if the nets in a state's tensors are not those of the configuration.
/// Nothing is allocated for it, whatever sizes the configuration claims.
void check_nets(const Config& config, const std::map<std::string, whisker::Tensor>& state);

/// The generator that a state's tensors describe, for sampling: the averaged one if it is there,
/// with its moving statistics as Trainer::with_sampling_generator() has them. Throws
/// whisker::InputError if they do not fit the configuration, whisker::NumericError with the name of
/// the first tensor that is not finite; `source` begins the messages.
std::unique_ptr<whisker::nn::Module> load_generator(
    const Config& config, const std::map<std::string, whisker::Tensor>& state,
    const std::string& source = "generator");

}  // namespace catgan
