#include <algorithm>
#include <functional>
#include <set>

#include <whisker/core/autograd.h>
#include <whisker/layers/module.h>

namespace whisker::inline v0_1::nn {
namespace {

thread_local int call_depth = 0;
thread_local ForwardObserver* observer = nullptr;
// What the module that was called from outside reaches by visit().
thread_local std::vector<Module*> visited;

struct DepthScope {
  DepthScope() { ++call_depth; }
  ~DepthScope() { --call_depth; }
};

std::string join(const std::string& prefix, const std::string& name) {
  if (prefix.empty()) return name;
  return name.empty() ? prefix : prefix + "." + name;
}

}  // namespace

/// Calls a function for each module, parameter and buffer of a tree, with its path.
class TreeWalk : public ModuleVisitor {
 public:
  std::function<void(const std::string& path, Tensor&)> on_parameter;
  std::function<void(const std::string& path, Tensor&)> on_buffer;
  std::function<void(const std::string& path, Module&)> on_module;

  static void set_training(Module& module, bool training) { module.training_ = training; }

  void run(Module& root) {
    if (on_module) on_module(prefix_, root);
    root.visit(*this);
  }

  void parameter(const std::string& name, Tensor& tensor) override {
    if (on_parameter) on_parameter(join(prefix_, name), tensor);
  }
  void buffer(const std::string& name, Tensor& tensor) override {
    if (on_buffer) on_buffer(join(prefix_, name), tensor);
  }
  void child(const std::string& name, Module& module) override {
    const std::string parent = prefix_;
    prefix_ = join(parent, name);
    run(module);
    prefix_ = parent;
  }

 private:
  std::string prefix_;
};

void Module::assign_paths(const std::string& path) {
  visited.clear();
  TreeWalk walk;
  walk.on_module = [&](const std::string& below, Module& module) {
    visited.push_back(&module);
    // Written only once, so that several threads may run one module in evaluation mode.
    std::string whole = join(path, below);
    if (module.path_ != whole) module.path_ = std::move(whole);
  };
  walk.run(*this);
}

void Module::check_visited() {
  if (std::find(visited.begin(), visited.end(), this) != visited.end()) return;
  // A copy of a child is trained and saved with it, as they share their tensors.
  const auto known = [](const std::vector<NamedTensor>& own, const std::vector<NamedTensor>& all) {
    return std::all_of(own.begin(), own.end(), [&](const NamedTensor& one) {
      return std::any_of(all.begin(), all.end(), [&](const NamedTensor& other) {
        return one.second.storage() == other.second.storage();
      });
    });
  };
  Module& root = *visited.front();
  check(known(parameters(), root.parameters()) && known(buffers(), root.buffers()), root.describe(),
        ": forward() calls ", describe(),
        ", which visit() does not name, so that it is neither trained nor saved; add "
        "visitor.child(name, module) for it");
}

Tensor Module::operator()(const Tensor& x) {
  // The module that is called from outside gives the others their paths: children do not know them.
  if (call_depth == 0)
    assign_paths(name_);
  else
    check_visited();
  const DepthScope depth;
  try {
    Tensor y = forward(x);
    for (ForwardObserver* each = observer; each; each = each->previous_)
      each->called(*this, x, y);
    return y;
  } catch (const LayerError&) {
    throw;
  } catch (const ShapeError& error) {
    throw LayerError(str(path_, path_.empty() ? "" : " ", "(", describe(), "): ", error.what()));
  }
}

std::vector<NamedTensor> Module::parameters() {
  std::vector<NamedTensor> result;
  std::set<std::pair<const Storage*, const std::byte*>> seen;
  TreeWalk walk;
  walk.on_parameter = [&](const std::string& path, Tensor& t) {
    if (seen.emplace(t.storage().get(), t.raw_data()).second) result.emplace_back(path, t);
  };
  walk.run(*this);
  return result;
}

std::vector<NamedTensor> Module::buffers() {
  std::vector<NamedTensor> result;
  TreeWalk walk;
  walk.on_buffer = [&](const std::string& path, Tensor& t) { result.emplace_back(path, t); };
  walk.run(*this);
  return result;
}

std::int64_t Module::parameter_count() {
  std::int64_t count = 0;
  for (const auto& [name, tensor] : parameters())
    count += tensor.numel();
  return count;
}

StateDict Module::state_dict() {
  StateDict state;
  TreeWalk walk;
  walk.on_parameter = walk.on_buffer = [&](const std::string& path, Tensor& t) { state[path] = t; };
  walk.run(*this);
  return state;
}

void copy_state(const StateDict& from, const StateDict& to, const std::string& what) {
  std::string problems;
  for (const auto& [name, tensor] : to) {
    const auto found = from.find(name);
    if (found == from.end()) {
      problems += "\n  missing: " + name;
    } else if (!found->second.defined()) {
      problems += "\n  without a value: " + name;
    } else if (found->second.shape() != tensor.shape() || found->second.dtype() != tensor.dtype()) {
      problems += str("\n  ", name, ": wants ", tensor.dtype(), " ", tensor.shape(), ", got ",
                      found->second.dtype(), " ", found->second.shape());
    }
  }
  for (const auto& [name, tensor] : from)
    if (!to.contains(name)) problems += "\n  surplus: " + name;
  check<InputError>(problems.empty(), what, ": the saved tensors do not fit:", problems);
  for (const auto& [name, tensor] : to)
    Tensor(tensor).copy_from(from.at(name));
}

void Module::load_state_dict(const StateDict& state) {
  copy_state(state, state_dict(), describe());
}

void Module::train(bool training) {
  TreeWalk walk;
  walk.on_module = [&](const std::string&, Module& module) {
    TreeWalk::set_training(module, training);
  };
  walk.run(*this);
}

void Module::set_requires_grad(bool required) {
  for (auto& [name, tensor] : parameters())
    tensor.set_requires_grad(required);
}

Frozen::Frozen(Module& module) {
  for (auto& [name, tensor] : module.parameters())
    if (tensor.requires_grad()) frozen_.push_back(tensor.set_requires_grad(false));
}

Frozen::~Frozen() {
  for (Tensor& tensor : frozen_)
    tensor.set_requires_grad(true);
}

ForwardObserver::ForwardObserver() : previous_(observer) {
  observer = this;
}
ForwardObserver::~ForwardObserver() {
  observer = previous_;
}

namespace {

class SummaryObserver : public ForwardObserver {
 public:
  std::vector<SummaryRow> rows;

  void called(Module& module, const Tensor& x, const Tensor& y) override {
    const std::string& path = module.path();
    double flops = own_flops_.emplace_back(module.flops(x.shape()));
    for (std::size_t i = rows.size(); i-- > 0 && is_below(rows[i].path, path);)
      flops += own_flops_[i];
    rows.push_back({path, module.describe(), y.shape(), module.parameter_count(), flops});
  }

 private:
  static bool is_below(const std::string& path, const std::string& root) {
    return root.empty() || path.starts_with(root + ".");
  }

  std::vector<double> own_flops_;
};

/// Evaluation mode for a scope; afterwards each module of the tree is as before.
class EvaluationScope {
 public:
  explicit EvaluationScope(Module& root) {
    TreeWalk walk;
    walk.on_module = [&](const std::string&, Module& module) {
      if (module.training()) training_.push_back(&module);
    };
    walk.run(root);
    root.eval();
  }
  ~EvaluationScope() {
    for (Module* module : training_)
      TreeWalk::set_training(*module, true);
  }
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

 private:
  std::vector<Module*> training_;
};

}  // namespace

std::vector<SummaryRow> summary(Module& module, const Shape& input) {
  const NoGrad no_grad;
  const EvaluationScope evaluation(module);
  SummaryObserver observed;
  module(Tensor::zeros(input));
  return observed.rows;
}

}  // namespace whisker::inline v0_1::nn
