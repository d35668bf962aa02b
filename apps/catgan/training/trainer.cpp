#include "training/trainer.h"

#include <cmath>
#include <cstdlib>
#include <string_view>
#include <typeinfo>

#include <whisker/core/autograd.h>
#include <whisker/core/ops.h>
#include <whisker/core/ops/finite.h>

#include "nets.h"
#include "training/finite.h"

namespace catgan {
namespace {

using namespace whisker;

/// What D's update makes smaller, for its logits of real or of fake pictures.
Tensor discriminator_loss(const Config& config, const Tensor& logits, bool real) {
  const double label = real ? 1.0 - config.label_smoothing : 0.0;
  if (config.loss == Loss::cross_entropy) return nn::sigmoid_cross_entropy(logits, label);
  if (config.loss == Loss::least_squares) return nn::least_squares(logits, label);
  return mean(relu(affine(logits, real ? -1.0 : 1.0, 1.0)));
}

Tensor generator_loss(const Config& config, const Tensor& logits) {
  if (config.loss == Loss::cross_entropy) return nn::sigmoid_cross_entropy(logits, 1.0);
  if (config.loss == Loss::least_squares) return nn::least_squares(logits, 1.0);
  return nn::negative_mean(logits);
}

optim::AdamOptions adam_options(const Config& config, double rate) {
  return {.learning_rate = rate,
          .beta1 = config.beta1,
          .beta2 = config.beta2,
          .epsilon = config.adam_epsilon,
          .epsilon_placement = config.adam_placement == AdamPlacement::tensorflow
                                   ? optim::AdamEpsilon::tensorflow
                                   : optim::AdamEpsilon::pytorch};
}

Tensor mean_probability(const Tensor& logits) {
  const NoGrad no_grad;
  return mean(sigmoid(logits));
}

/// So that the recording finds what is made at first use: copies of weights, tables, plans.
constexpr int kStepsBeforeRecording = 2;

bool graph_wanted() {
  const char* text = std::getenv("WHISKER_GRAPH");
  if (text == nullptr || *text == '\0' || std::string_view(text) == "on") return true;
  check<InputError>(std::string_view(text) == "off", "WHISKER_GRAPH: \"", text,
                    "\" is neither on nor off");
  return false;
}

/// The losses that D's update adds up.
constexpr std::int32_t kDLosses = 2;

/// In the order of the parameters; undefined where there is none.
std::vector<Tensor> gradients_of(nn::Module& net) {
  std::vector<Tensor> gradients;
  for (const auto& [path, parameter] : net.parameters())
    gradients.push_back(parameter.grad());
  return gradients;
}

void add(std::map<std::string, Tensor>& state, const std::string& prefix,
         const nn::StateDict& part) {
  for (const auto& [name, tensor] : part)
    state[prefix + "." + name] = tensor;
}

/// The tensors whose names begin with the prefix and a dot, without these.
nn::StateDict part_of(const std::map<std::string, Tensor>& state, const std::string& prefix) {
  nn::StateDict part;
  for (const auto& [name, tensor] : state)
    if (name.starts_with(prefix + ".")) part[name.substr(prefix.size() + 1)] = tensor;
  return part;
}

Tensor scalar(std::int64_t value) {
  return Tensor::from<std::int32_t>({static_cast<std::int32_t>(value)}, {});
}

/// Takes an int32 scalar out of a part; throws InputError.
std::int64_t take_count(nn::StateDict& part, const std::string& name, const std::string& what) {
  const auto found = part.find(name);
  check<InputError>(found != part.end() && found->second.dtype() == Dtype::int32 &&
                        found->second.numel() == 1 && found->second.item() >= 0,
                    what, ": the saved state has no valid count \"", name, "\"");
  const auto count = static_cast<std::int64_t>(found->second.item());
  part.erase(found);
  return count;
}

/// The article's moving statistics are literally what its notebook has.
bool is_debiased(const Config& config) {
  return config.preset != "article" && config.norm == Norm::batch;
}

/// Takes out of a generator's moving statistics what is left of their initial values, 0 and 1:
/// after n updates of momentum m they weigh m^n, which is much in a young run (Kingma & Ba 2015 do
/// the same to Adam's moments).
void debias_statistics(const Config& config, nn::Module& net, std::int64_t steps) {
  const double updates = static_cast<double>(steps) * config.norm_updates;
  const double left = std::pow(config.norm_momentum, updates);
  if (!is_debiased(config) || left >= 1.0) return;
  const NoGrad no_grad;
  for (const auto& [name, statistic] : net.buffers()) {
    const double initial = name.ends_with("moving_variance") ? 1.0 : 0.0;
    const Tensor gained = affine(statistic, 1.0 / (1.0 - left), -left * initial / (1.0 - left));
    Tensor(statistic).copy_from(initial > 0.0 ? relu(gained) : gained);
  }
}

/// Why a loss is not finite; the nets are run again and watched.
[[noreturn]] void explain(const char* loss, nn::Module& g, nn::Module& d, const Tensor& real,
                          const Tensor& z) {
  std::string where;
  const auto look = [&](const std::string& name, const Tensor& tensor) {
    if (where.empty() && !is_finite(tensor)) where = name;
  };
  look("the real pictures", real);
  look("z", z);
  for (const auto& [name, tensor] : d.parameters())
    look("the parameter d." + name, tensor);
  for (const auto& [name, tensor] : g.parameters())
    look("the parameter g." + name, tensor);
  if (where.empty()) where = first_bad_layer(d, real);
  if (where.empty()) where = first_bad_layer(g, z);
  if (where.empty()) {
    const NoGrad no_grad;
    where = first_bad_layer(d, g(z));
  }
  if (where.empty()) where = "the loss itself";
  throw NumericError(str(loss, " is not finite; the first bad tensor is ", where));
}

}  // namespace

Trainer::Trainer(const Config& config) : config_(config), uses_graph_(graph_wanted()) {
  nn::Init init(config.seed);
  g_ = make_generator(config, init);
  d_ = make_discriminator(config, init);
  g_adam_.emplace(g_->parameters(), adam_options(config, config.g_rate));
  d_adam_.emplace(d_->parameters(), adam_options(config, config.d_rate));
  if (config.ema_decay > 0.0) ema_.emplace(*g_, config.ema_decay);
  const Device device = g_->parameters().front().second.device();
  report_.emplace(device);
  if (device == Device::cpu()) return;
  g_adam_->keep_numbers_on_device();
  d_adam_->keep_numbers_on_device();
  if (ema_) ema_->keep_numbers_on_device();
}

void Trainer::update(nn::Module& net, optim::Adam& adam, std::vector<Tensor> losses,
                     std::int32_t number) {
  Tensor first_bad = report_->first_bad();
  const std::vector<Tensor> gradients = gradients_of(net);
  losses.insert(losses.end(), gradients.begin(), gradients.end());
  find_not_finite(losses, number, first_bad);
  adam.apply_step(first_bad);
  adam.zero_grad();
}

void Trainer::update_discriminator(const Tensor& real, const Tensor& fake) {
  std::vector<Tensor> losses;
  // Each pass is differentiated at once, so that only one holds its activations; the gradients add.
  for (const bool is_real : {true, false}) {
    const Tensor logits = (*d_)(is_real ? real : fake);
    const Tensor loss = discriminator_loss(config_, logits, is_real);
    loss.backward();
    losses.push_back(loss.detach());
    report_->put(is_real ? StepReport::kDLossReal : StepReport::kDLossFake, loss);
    report_->put(is_real ? StepReport::kDReal : StepReport::kDFake, mean_probability(logits));
  }
  update(*d_, *d_adam_, losses, 0);
  ++d_updates_queued_;
}

void Trainer::update_generator(Tensor fake) {
  const auto number = kDLosses + static_cast<std::int32_t>(d_->parameters().size());
  Tensor loss;
  {
    const nn::Frozen frozen(*d_);
    loss = generator_loss(config_, (*d_)(fake));
    fake = Tensor();
    loss.backward();
    loss = loss.detach();
  }
  report_->put(StepReport::kGLoss, loss);
  update(*g_, *g_adam_, {loss}, number);
  if (ema_) ema_->apply_update(*g_, report_->first_bad());
}

bool Trainer::blocks_discriminator(std::int32_t first_bad) const {
  return first_bad < kDLosses + static_cast<std::int32_t>(d_->parameters().size());
}

void Trainer::run(const Tensor& real, const Tensor& z) {
  report_->clear();
  Tensor fake = (*g_)(z);
  update_discriminator(real, fake.detach());
  update_generator(std::move(fake));
}

void Trainer::run_now(const Tensor& real, const Tensor& z) {
  const std::int64_t before = d_updates_queued_;
  try {
    run(real, z);
  } catch (...) {
    g_adam_->zero_grad();
    d_adam_->zero_grad();
    if (d_updates_queued_ != before && !blocks_discriminator(report_->read().first_bad))
      d_adam_->count_step();
    throw;
  }
}

void Trainer::record() {
  std::vector<Tensor> written;
  for (const auto& [name, tensor] : state())
    if (tensor.device() == real_.device()) written.push_back(tensor);
  try {
    graph_.emplace(real_.device(), written, [&] { run(real_, z_); });
  } catch (const Error& error) {
    g_adam_->zero_grad();
    d_adam_->zero_grad();
    const std::string advice = "; WHISKER_GRAPH=off trains without recording steps";
    if (dynamic_cast<const OutOfMemory*>(&error)) throw OutOfMemory(error.what() + advice);
    if (typeid(error) != typeid(Error)) throw;
    throw Error(error.what() + advice);
  }
}

void Trainer::run_or_replay(const Tensor& real, const Tensor& z) {
  const bool on_gpu = report_->first_bad().device() != Device::cpu();
  if (graph_ && !graph_->valid()) graph_.reset();
  const bool fits = !graph_ || (real.shape() == real_.shape() && z.shape() == z_.shape());
  if (!on_gpu || !uses_graph_ || !fits) return run_now(real, z);
  if (!graph_ && steps_before_recording_ < kStepsBeforeRecording) {
    ++steps_before_recording_;
    return run_now(real, z);
  }
  if (!graph_) {
    real_ = real.clone();
    z_ = z.clone();
    record();
    steps_before_recording_ = 0;
  } else {
    real_.copy_from(real);
    z_.copy_from(z);
  }
  graph_->replay();
}

StepResult Trainer::step(const Tensor& real, const Tensor& z) {
  d_adam_->prepare_step();
  g_adam_->prepare_step();
  if (ema_) ema_->prepare_update();
  run_or_replay(real, z);
  const auto [rows, first_bad] = report_->read();
  if (first_bad != kAllFinite) fail(first_bad, real, z);
  d_adam_->count_step();
  g_adam_->count_step();
  if (ema_) ema_->count_update();
  ++steps_;
  return {.d_loss = double{rows[StepReport::kDLossReal]} + double{rows[StepReport::kDLossFake]},
          .g_loss = rows[StepReport::kGLoss],
          .d_real = rows[StepReport::kDReal],
          .d_fake = rows[StepReport::kDFake]};
}

void Trainer::fail(std::int32_t first_bad, const Tensor& real, const Tensor& z) {
  if (first_bad < kDLosses) explain("D's loss", *g_, *d_, real, z);
  auto i = static_cast<std::size_t>(first_bad - kDLosses);
  const auto of_d = d_->parameters(), of_g = g_->parameters();
  const std::string gradient = "the first bad tensor is the gradient of ";
  if (blocks_discriminator(first_bad)) throw NumericError(gradient + "d." + of_d[i].first);
  d_adam_->count_step();
  i -= of_d.size();
  if (i == 0) explain("G's loss", *g_, *d_, real, z);
  throw NumericError(gradient + "g." + of_g.at(i - 1).first);
}

void Trainer::with_sampling_generator(const std::function<void(nn::Module&)>& use) {
  if (ema_ || is_debiased(config_)) {
    nn::Init init(config_.seed);
    const std::unique_ptr<nn::Module> copy = make_generator(config_, init);
    copy->load_state_dict(ema_ ? ema_->state_dict() : g_->state_dict());
    debias_statistics(config_, *copy, steps_);
    copy->eval();
    return use(*copy);
  }
  g_->eval();
  try {
    use(*g_);
  } catch (...) {
    g_->train();
    throw;
  }
  g_->train();
}

std::map<std::string, Tensor> Trainer::state() {
  std::map<std::string, Tensor> state;
  add(state, "g", g_->state_dict());
  add(state, "d", d_->state_dict());
  add(state, "g_adam", g_adam_->state_dict());
  add(state, "d_adam", d_adam_->state_dict());
  if (ema_) {
    add(state, "ema", ema_->state_dict());
    state["ema.updates"] = scalar(ema_->updates());
  }
  state["steps"] = scalar(steps_);
  return state;
}

void Trainer::load_state(const std::map<std::string, Tensor>& saved) {
  std::map<std::string, Tensor> state = saved;
  const std::int64_t steps = take_count(state, "steps", "training");
  nn::StateDict ema = part_of(state, "ema");
  const std::int64_t updates = ema_ ? take_count(ema, "updates", "ema") : 0;
  std::map<std::string, Tensor> known = this->state();
  for (const auto& [name, tensor] : state)
    check<InputError>(known.contains(name), "training: the saved state has a surplus tensor ",
                      name);
  nn::copy_state(part_of(state, "g"), g_->state_dict(), "g");
  nn::copy_state(part_of(state, "d"), d_->state_dict(), "d");
  g_adam_->load_state_dict(part_of(state, "g_adam"));
  d_adam_->load_state_dict(part_of(state, "d_adam"));
  if (ema_) ema_->load_state_dict(ema, updates);
  steps_ = steps;
}

void Trainer::check_finite() {
  catgan::check_finite(state(), "the state");
}

void check_nets(const Config& config, const std::map<std::string, Tensor>& state) {
  check_shapes(part_of(state, "g"), generator_shapes(config), "g");
  check_shapes(part_of(state, "d"), discriminator_shapes(config), "d");
}

std::unique_ptr<nn::Module> load_generator(const Config& config,
                                           const std::map<std::string, Tensor>& state,
                                           const std::string& source) {
  std::map<std::string, Tensor> rest = state;
  const std::int64_t steps = take_count(rest, "steps", source);
  nn::StateDict weights = part_of(state, "ema");
  const std::string prefix = weights.empty() ? "g" : "ema";
  if (weights.empty()) weights = part_of(state, "g");
  weights.erase("updates");
  check_shapes(weights, generator_shapes(config), source + ": " + prefix);
  // G's own too if the averages are drawn from: they follow it, and are worth nothing then.
  for (const auto& [name, tensor] : state)
    if (name.starts_with("g.") || name.starts_with("ema."))
      catgan::check_finite({{name, tensor}}, source);
  nn::Init init(config.seed);
  std::unique_ptr<nn::Module> net = make_generator(config, init);
  nn::copy_state(weights, net->state_dict(), "generator");
  debias_statistics(config, *net, steps);
  net->eval();
  return net;
}

}  // namespace catgan
