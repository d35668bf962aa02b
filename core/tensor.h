// The tensor: a small handle to a shape, a dtype and shared, always contiguous storage.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <whisker/core/device.h>
#include <whisker/core/dtype.h>
#include <whisker/core/shape.h>
#include <whisker/core/storage.h>

namespace whisker::inline v0_1 {

struct Node;
using NodePtr = std::shared_ptr<Node>;

struct BackwardOptions {
  bool create_graph = false;  // record the backward pass, so that it can be differentiated again
  bool retain_graph = false;  // keep the graph for a second backward pass
};

/// A handle: copies share elements and gradient. Images are [N, H, W, C], row-major.
/// Operations on an undefined tensor (default-constructed) throw Error. Only a named handle can be
/// assigned to: `x.grad() = g` would change a handle that is gone at once, and does not compile.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  ~Tensor() = default;

  /// Without a device they go to default_device(); float64, which no GPU kernel takes, to the CPU.
  static Tensor empty(const Shape& shape, Dtype dtype = Dtype::float32,
                      std::optional<Device> device = {});
  static Tensor full(const Shape& shape, double value, Dtype dtype = Dtype::float32,
                     std::optional<Device> device = {});
  static Tensor zeros(const Shape& shape, Dtype dtype = Dtype::float32,
                      std::optional<Device> device = {}) {
    return full(shape, 0.0, dtype, device);
  }
  /// Copies host values; throws ShapeError unless there are shape.numel() of them.
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from_span(std::span<const T>(values), shape);
  }
  template <class T>
  static Tensor from_span(std::span<const T> values, const Shape& shape);

  bool defined() const { return impl_ != nullptr; }
  const Shape& shape() const;
  int rank() const { return shape().rank(); }
  std::int64_t dim(int axis) const { return shape()[axis]; }
  std::int64_t numel() const { return shape().numel(); }
  std::size_t bytes() const { return bytes_of(numel(), dtype()); }
  Dtype dtype() const;
  Device device() const;

  /// The elements of a tensor on the CPU; throws ShapeError unless T is the dtype and the device
  /// is the CPU. mutable_data() counts as a write.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(host_bytes(dtype_of<T>));
  }
  template <class T>
  T* mutable_data() {
    return reinterpret_cast<T*>(mutable_host_bytes(dtype_of<T>));
  }
  /// The same on any device: only a kernel of that device may follow these pointers.
  template <class T>
  const T* kernel_data() const {
    return reinterpret_cast<const T*>(checked_bytes(dtype_of<T>));
  }
  template <class T>
  T* kernel_mutable_data() {
    return reinterpret_cast<T*>(checked_mutable_bytes(dtype_of<T>));
  }
  const std::byte* raw_data() const;
  std::byte* raw_mutable_data();

  /// The only element of a one-element tensor, and all elements; they wait for the device. Of a
  /// dtype that is only stored, item() is what cast() to float64 gives.
  double item() const;
  template <class T>
  std::vector<T> to_vector() const {
    const Tensor host = to(Device::cpu());
    return std::vector<T>(host.data<T>(), host.data<T>() + numel());
  }

  /// The same elements on a device, outside the graph; this very tensor if it is there already.
  Tensor to(Device device) const;
  /// A copy on the same device with storage of its own and no gradient.
  Tensor clone() const;
  /// Overwrites the elements; shape and dtype must be equal, the devices may differ.
  void copy_from(const Tensor& source);
  /// The same elements outside the graph.
  Tensor detach() const;
  /// The same elements under another shape, or the rows [begin, end) of the leading dimension;
  /// both share storage and are outside the graph (reshape() and slice() are the recorded ops).
  Tensor view(const Shape& shape) const;
  Tensor view_rows(std::int64_t begin, std::int64_t end) const;

  // Gradient

  bool requires_grad() const;
  /// Makes a leaf of the graph collect a gradient, or stop to; throws Error for an op's result.
  Tensor& set_requires_grad(bool required = true);
  /// What backward() collected here; undefined if nothing was. No other gradient shares its memory,
  /// so it may be changed in place, to clip it for example.
  Tensor grad() const;
  /// Replaces the gradient by the values of `gradient`, which is copied unless it is the only
  /// handle to them; an undefined one removes it. Throws Error for a tensor that requires no
  /// gradient, ShapeError unless shape, dtype and device are this tensor's.
  void set_grad(Tensor gradient);
  /// Adds d(this)/d(leaf) to the gradient of every leaf. This must have one element.
  void backward(BackwardOptions options = {}) const;

  const std::shared_ptr<Storage>& storage() const;
  /// Whether no other handle or view can see these elements.
  bool is_sole_owner() const;
  /// The place in the graph; null outside of it.
  const NodePtr& node() const;
  /// The same elements at another place of the graph.
  Tensor with_node(NodePtr node) const;

 private:
  struct Impl {
    std::shared_ptr<Storage> storage;
    std::size_t offset = 0;  // bytes
    Shape shape;
    Dtype dtype = Dtype::float32;
    NodePtr node{};
    bool requires_grad = false;
  };
  explicit Tensor(Impl impl) : impl_(std::make_shared<Impl>(std::move(impl))) {}
  const Impl& get() const;
  void check_elements(Dtype wanted) const;
  void check_on_host() const;
  const std::byte* checked_bytes(Dtype wanted) const;
  std::byte* checked_mutable_bytes(Dtype wanted);
  const std::byte* host_bytes(Dtype wanted) const;
  std::byte* mutable_host_bytes(Dtype wanted);

  std::shared_ptr<Impl> impl_;
};

/// Throws ShapeError that names `op` unless both have the same dtype and device.
void check_same_kind(const char* op, const Tensor& a, const Tensor& b);

}  // namespace whisker::inline v0_1
