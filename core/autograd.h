// Reverse-mode differentiation: a node is its inputs and one closure.
//
// An op computes its result and, if an input wants a gradient, attaches a closure that maps the
// gradient of the result to the gradients of the inputs by calling differentiable ops. With
// `create_graph` those calls are recorded in turn, which gives gradients of gradients.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// Maps dy, the gradient of the op's result, to one gradient per input. It may leave those
/// undefined for which node.wants(i) is false.
using BackwardFunction = std::function<std::vector<Tensor>(const Tensor& dy, const NodePtr& self)>;

/// One op's place in the graph; a leaf has no closure.
struct Node {
  const char* op = "leaf";
  Shape shape;
  Dtype dtype = Dtype::float32;
  std::vector<NodePtr> inputs;  // null where no gradient is wanted
  BackwardFunction backward;
  bool released = false;  // backward has run and was not asked to keep the graph
  Tensor grad;            // of a leaf

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node();

  /// Is the gradient of input i asked for in the backward pass that is running?
  bool wants(std::size_t i) const;
};

/// A tensor kept for the backward pass; get() throws Error if it was written to since.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& tensor);

  /// The tensor at its own place in the graph.
  Tensor get() const;
  /// For an op that saves its result: a node must not own itself, so the place comes from outside.
  Tensor get_as_output_of(const NodePtr& node) const;

 private:
  void check_unchanged() const;

  Tensor data_;
  NodePtr node_;
  std::uint64_t version_ = 0;
};

/// Whether an op on these inputs must record itself.
bool must_record(const std::vector<Tensor>& inputs);

/// `y` as the result of an op on these inputs.
Tensor record(const Tensor& y, const char* op, const std::vector<Tensor>& inputs,
              BackwardFunction backward);

/// x itself if no other handle or view can see its elements, else a recorded copy. Ops may hand one
/// tensor to several inputs as their gradient, but whoever changes a gradient in place means that
/// one alone.
Tensor unshared(const Tensor& x);

/// What Tensor::backward() calls.
void run_backward(const Tensor& root, BackwardOptions options);

/// The gradients of `root` [1 element] with respect to `inputs`, collected nowhere else, each in
/// memory of its own; an input that `root` does not depend on gets zeros. Throws Error for an input
/// that requires no gradient, and where the graph was released by an earlier backward pass.
std::vector<Tensor> gradients(const Tensor& root, const std::vector<Tensor>& inputs,
                              BackwardOptions options = {});

bool grad_enabled();

/// Sets for a scope of this thread whether ops are recorded.
class GradMode {
 public:
  explicit GradMode(bool enabled);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool previous_;
};

/// Ops in this scope are not recorded.
class NoGrad : public GradMode {
 public:
  NoGrad() : GradMode(false) {}
};

}  // namespace whisker::inline v0_1
