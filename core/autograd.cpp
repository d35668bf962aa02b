#include <unordered_map>
#include <unordered_set>

#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/binary.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>

namespace whisker::inline v0_1 {
namespace {

thread_local bool recording = true;
// The nodes that lead to an input asked for; null in a plain backward(), which wants every leaf.
thread_local const std::unordered_set<const Node*>* wanted_nodes = nullptr;

/// All nodes that root depends on, every node after the ones it depends on.
std::vector<NodePtr> topological_order(const NodePtr& root) {
  std::vector<NodePtr> order;
  std::unordered_set<const Node*> visited{root.get()};
  std::vector<std::pair<NodePtr, std::size_t>> path{{root, 0}};
  while (!path.empty()) {
    auto& [node, next] = path.back();
    if (next == node->inputs.size()) {
      order.push_back(node);
      path.pop_back();
      continue;
    }
    const NodePtr& input = node->inputs[next++];
    if (input && visited.insert(input.get()).second) path.emplace_back(input, 0);
  }
  return order;
}

/// sum += term, in place only where nobody else can see the elements of sum.
void accumulate(Tensor& sum, const Tensor& term, const Node& node) {
  check<ShapeError>(term.shape() == node.shape && term.dtype() == node.dtype, node.op,
                    ": internal: gradient ", term.dtype(), " ", term.shape(), " for ", node.dtype,
                    " ", node.shape);
  if (!sum.defined()) {
    sum = term;
  } else if (!grad_enabled() && sum.is_sole_owner()) {
    dispatch_float("accumulate", sum, [&](auto tag, auto& context) {
      using T = typename decltype(tag)::type;
      accumulate(term.kernel_data<T>(), sum.kernel_mutable_data<T>(), sum.numel(), context);
    });
  } else {
    sum = add(sum, term);
  }
}

class WantedScope {
 public:
  explicit WantedScope(const std::unordered_set<const Node*>* wanted) : previous_(wanted_nodes) {
    wanted_nodes = wanted;
  }
  ~WantedScope() { wanted_nodes = previous_; }

 private:
  const std::unordered_set<const Node*>* previous_;
};

bool wants_any(const Node& node) {
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (node.wants(i)) return true;
  return false;
}

void check_root(const char* name, const Tensor& root) {
  check<ShapeError>(root.numel() == 1, name, ": wants one element, the shape is ", root.shape());
  check<ShapeError>(is_floating_point(root.dtype()), name, ": ", root.dtype(), " has no gradient");
}

/// Walks the graph from root; `collected` maps the nodes asked for to their gradients, and without
/// it the gradients go to the leaves.
void walk(const Tensor& root, BackwardOptions options,
          std::unordered_map<const Node*, Tensor>* collected) {
  const std::vector<NodePtr> order = topological_order(root.node());

  std::unordered_set<const Node*> wanted;
  if (collected) {
    for (const NodePtr& node : order) {
      bool leads = collected->contains(node.get());
      for (const NodePtr& input : node->inputs)
        leads = leads || wanted.contains(input.get());
      if (leads) wanted.insert(node.get());
    }
  }
  const WantedScope wanted_scope(collected ? &wanted : nullptr);
  const GradMode mode(options.create_graph);

  std::unordered_map<const Node*, Tensor> pending;
  pending[root.node().get()] = Tensor::full(root.shape(), 1.0, root.dtype(), root.device());
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const NodePtr& node = *it;
    const auto found = pending.find(node.get());
    if (found == pending.end()) continue;
    const Tensor dy = std::move(found->second);
    pending.erase(found);
    if (collected && collected->contains(node.get())) (*collected)[node.get()] = dy;
    if (node->inputs.empty()) {
      if (!collected) accumulate(node->grad, node->grad.defined() ? dy : unshared(dy), *node);
      continue;
    }
    // What lies behind the inputs asked for is neither run nor released.
    if (!wants_any(*node)) continue;
    check(!node->released, node->op,
          ": backward ran through this graph already; pass "
          "retain_graph to the first call to run it again");
    const std::vector<Tensor> gradients = node->backward(dy, node);
    for (std::size_t i = 0; i < node->inputs.size(); ++i)
      if (node->wants(i) && gradients.at(i).defined())
        accumulate(pending[node->inputs[i].get()], gradients[i], *node->inputs[i]);
    if (!options.retain_graph && !options.create_graph) {
      // What the closure saved is free from here on; the walk never comes back.
      node->backward = nullptr;
      node->released = true;
    }
  }
}

}  // namespace

Node::~Node() {
  // A long chain of nodes would otherwise be destroyed by recursion as deep as the chain.
  std::vector<NodePtr> doomed(std::move(inputs));
  backward = nullptr;
  while (!doomed.empty()) {
    const NodePtr node = std::move(doomed.back());
    doomed.pop_back();
    if (node && node.use_count() == 1) {
      for (NodePtr& input : node->inputs)
        doomed.push_back(std::move(input));
      node->inputs.clear();
    }
  }
}

bool Node::wants(std::size_t i) const {
  return inputs[i] && (!wanted_nodes || wanted_nodes->contains(inputs[i].get()));
}

Saved::Saved(const Tensor& tensor)
    : data_(tensor.detach()),
      node_(tensor.requires_grad() ? tensor.node() : nullptr),
      version_(tensor.storage()->version()) {}

void Saved::check_unchanged() const {
  check(data_.storage()->version() == version_, "backward: a tensor of shape ", data_.shape(),
        " that the forward pass saved was written to since; run backward before the update");
}

Tensor Saved::get() const {
  check_unchanged();
  return node_ ? data_.with_node(node_) : data_;
}

Tensor Saved::get_as_output_of(const NodePtr& node) const {
  check_unchanged();
  return data_.with_node(node);
}

bool must_record(const std::vector<Tensor>& inputs) {
  if (!recording) return false;
  for (const Tensor& input : inputs)
    if (input.requires_grad()) return true;
  return false;
}

Tensor record(const Tensor& y, const char* op, const std::vector<Tensor>& inputs,
              BackwardFunction backward) {
  auto node = std::make_shared<Node>();
  node->op = op;
  node->shape = y.shape();
  node->dtype = y.dtype();
  for (const Tensor& input : inputs)
    node->inputs.push_back(input.requires_grad() ? input.node() : nullptr);
  node->backward = std::move(backward);
  return y.with_node(std::move(node));
}

Tensor unshared(const Tensor& x) {
  if (x.is_sole_owner()) return x;
  const Tensor copy = x.clone();
  if (!must_record({x})) return copy;
  return record(copy, "copy", {x},
                [](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> { return {dy}; });
}

void run_backward(const Tensor& root, BackwardOptions options) {
  check_root("backward", root);
  check(root.requires_grad(),
        "backward: the result does not depend on a tensor that requires a "
        "gradient, or was computed under NoGrad");
  walk(root, options, nullptr);
}

std::vector<Tensor> gradients(const Tensor& root, const std::vector<Tensor>& inputs,
                              BackwardOptions options) {
  check_root("gradients", root);
  std::unordered_map<const Node*, Tensor> collected;
  for (const Tensor& input : inputs) {
    check(input.requires_grad(), "gradients: an input does not require a gradient");
    collected[input.node().get()] = Tensor();
  }
  // A constant has no graph to walk, and its gradients are zeros.
  if (root.requires_grad()) walk(root, options, &collected);
  const GradMode mode(options.create_graph);
  std::vector<Tensor> result;
  for (const Tensor& input : inputs) {
    Tensor& gradient = collected[input.node().get()];
    if (!gradient.defined()) gradient = Tensor::zeros(input.shape(), input.dtype(), input.device());
    result.push_back(gradient = unshared(gradient));
  }
  return result;
}

bool grad_enabled() {
  return recording;
}
GradMode::GradMode(bool enabled) : previous_(recording) {
  recording = enabled;
}
GradMode::~GradMode() {
  recording = previous_;
}

}  // namespace whisker::inline v0_1
