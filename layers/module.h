// The base of all layers: a function of one tensor with named parameters and buffers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1::nn {

using NamedTensor = std::pair<std::string, Tensor>;
/// Names such as "up1.conv.weight" to tensors.
using StateDict = std::map<std::string, Tensor>;

/// A ShapeError with the path and description of the layer it came from in front.
class LayerError : public ShapeError {
 public:
  using ShapeError::ShapeError;
};

/// Copies the tensors of `from` into those of the same names in `to`; throws InputError that begins
/// with `what` and lists every missing, surplus or ill-shaped tensor, and then changes nothing.
void copy_state(const StateDict& from, const StateDict& to, const std::string& what);

class Module;

/// Receives what a module is made of, in order.
class ModuleVisitor {
 public:
  virtual ~ModuleVisitor() = default;
  virtual void parameter(const std::string& name, Tensor& tensor) = 0;
  virtual void buffer(const std::string& name, Tensor& tensor) = 0;
  virtual void child(const std::string& name, Module& module) = 0;
};

/// A layer overrides forward(), describe() and visit(). Copies share parameters, as the tensors in
/// them do; nothing has to be written for copying or moving.
///
/// Images are [N, H, W, C]. A tensor carries no names of axes, so PyTorch's [N, C, H, W] is refused
/// only where its last axis differs from the channels a layer takes.
class Module {
 public:
  virtual ~Module() = default;

  /// forward(x); a ShapeError inside becomes a LayerError that names the layer. Throws Error if
  /// forward() calls a module with parameters or buffers that visit() does not name: it would be
  /// neither trained nor saved.
  Tensor operator()(const Tensor& x);

  /// One line: "Conv2d 3 -> 64, 5x5 / 2".
  virtual std::string describe() const = 0;
  /// Multiplications and additions of forward() on x of this shape; children count for themselves.
  virtual double flops(const Shape&) const { return 0.0; }

  /// Shown in front of the paths in errors and summaries: "g" makes "g.up1.conv".
  void set_name(const std::string& name) { name_ = name; }
  const std::string& path() const { return path_; }

  /// A parameter that several layers share is listed once, under its first name.
  std::vector<NamedTensor> parameters();
  std::vector<NamedTensor> buffers();
  std::int64_t parameter_count();

  /// Handles to all parameters and buffers: writing into them changes the module.
  StateDict state_dict();
  /// Copies values in, see copy_state().
  void load_state_dict(const StateDict& state);

  void train(bool training = true);
  void eval() { train(false); }
  bool training() const { return training_; }
  void set_requires_grad(bool required);

 protected:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;

  virtual Tensor forward(const Tensor& x) = 0;
  /// Names the layer's own parameters, buffers and children. A tensor that is left out is not
  /// trained, saved or counted.
  virtual void visit(ModuleVisitor&) {}

 private:
  friend class TreeWalk;
  void assign_paths(const std::string& path);
  void check_visited();

  std::string name_, path_;
  bool training_ = true;
};

/// Stops a module's parameters from collecting gradients for a scope, so that their gradient
/// kernels do not run; afterwards each is as before.
class Frozen {
 public:
  explicit Frozen(Module& module);
  ~Frozen();
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  std::vector<Tensor> frozen_;
};

/// Is told of every call of a module in this thread while it exists.
class ForwardObserver {
 public:
  ForwardObserver();
  virtual ~ForwardObserver();
  ForwardObserver(const ForwardObserver&) = delete;
  ForwardObserver& operator=(const ForwardObserver&) = delete;

  virtual void called(Module& module, const Tensor& x, const Tensor& y) = 0;

 private:
  friend class Module;
  ForwardObserver* previous_;
};

/// One row per layer: its path, description, output shape, and the parameters and FLOPs of itself
/// and its children.
struct SummaryRow {
  std::string path, description;
  Shape output;
  std::int64_t parameters = 0;
  double flops = 0.0;
};

/// Runs the module once on zeros of this shape, in evaluation mode, and lists its layers in the
/// order in which they finish: the last row is the whole module.
std::vector<SummaryRow> summary(Module& module, const Shape& input);

}  // namespace whisker::inline v0_1::nn
