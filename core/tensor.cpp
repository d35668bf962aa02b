#include <algorithm>

#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/cast.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>

namespace whisker::inline v0_1 {

namespace {

Device device_for(Dtype dtype, std::optional<Device> wanted) {
  if (wanted) return *wanted;
  return dtype == Dtype::float64 ? Device::cpu() : default_device();
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, Dtype dtype, std::optional<Device> device) {
  // Beyond this the number of bytes would overflow; no machine has as many.
  check<OutOfMemory>(shape.numel() <= std::int64_t{1} << 58, "tensor: ", shape, " of ", dtype,
                     " is more than any memory");
  const std::size_t bytes = bytes_of(shape.numel(), dtype);
  return Tensor(Impl{.storage = std::make_shared<Storage>(bytes, device_for(dtype, device)),
                     .shape = shape,
                     .dtype = dtype});
}

Tensor Tensor::full(const Shape& shape, double value, Dtype dtype, std::optional<Device> device) {
  Tensor tensor = empty(shape, dtype, device);
  dispatch_all("full", tensor, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    using Through = std::conditional_t<std::is_same_v<T, bfloat16>, float, T>;
    fill(T(static_cast<Through>(value)), tensor.kernel_mutable_data<T>(), shape.numel(), context);
  });
  return tensor;
}

template <class T>
Tensor Tensor::from_span(std::span<const T> values, const Shape& shape) {
  check<ShapeError>(static_cast<std::int64_t>(values.size()) == shape.numel(),
                    "tensor: ", values.size(), " values for shape ", shape);
  Tensor tensor = empty(shape, dtype_of<T>, Device::cpu());
  std::copy(values.begin(), values.end(), tensor.template mutable_data<T>());
  return tensor.to(device_for(dtype_of<T>, {}));
}
template Tensor Tensor::from_span(std::span<const float>, const Shape&);
template Tensor Tensor::from_span(std::span<const double>, const Shape&);
template Tensor Tensor::from_span(std::span<const bfloat16>, const Shape&);
template Tensor Tensor::from_span(std::span<const std::int32_t>, const Shape&);
template Tensor Tensor::from_span(std::span<const std::uint8_t>, const Shape&);
template Tensor Tensor::from_span(std::span<const std::int8_t>, const Shape&);
template Tensor Tensor::from_span(std::span<const std::int16_t>, const Shape&);
template Tensor Tensor::from_span(std::span<const std::uint16_t>, const Shape&);
template Tensor Tensor::from_span(std::span<const std::uint32_t>, const Shape&);
template Tensor Tensor::from_span(std::span<const std::int64_t>, const Shape&);
template Tensor Tensor::from_span(std::span<const std::uint64_t>, const Shape&);
template Tensor Tensor::from_span(std::span<const float16>, const Shape&);

const Tensor::Impl& Tensor::get() const {
  check(defined(), "tensor: used before it was given a value");
  return *impl_;
}

const Shape& Tensor::shape() const {
  return get().shape;
}
Dtype Tensor::dtype() const {
  return get().dtype;
}
Device Tensor::device() const {
  return get().storage->device();
}
const std::shared_ptr<Storage>& Tensor::storage() const {
  return get().storage;
}

bool Tensor::is_sole_owner() const {
  return get().storage.use_count() == 1 && impl_.use_count() == 1;
}

const std::byte* Tensor::raw_data() const {
  return get().storage->data() + get().offset;
}
std::byte* Tensor::raw_mutable_data() {
  return get().storage->mutable_data() + get().offset;
}

void Tensor::check_elements(Dtype wanted) const {
  check<ShapeError>(dtype() == wanted, "tensor: elements are ", dtype(), ", not ", wanted);
}
void Tensor::check_on_host() const {
  check<ShapeError>(device() == Device::cpu(), "tensor: the elements are on ", device(),
                    "; copy them with to(Device::cpu())");
}
const std::byte* Tensor::checked_bytes(Dtype wanted) const {
  check_elements(wanted);
  return raw_data();
}
std::byte* Tensor::checked_mutable_bytes(Dtype wanted) {
  check_elements(wanted);
  return raw_mutable_data();
}
const std::byte* Tensor::host_bytes(Dtype wanted) const {
  check_on_host();
  return checked_bytes(wanted);
}
std::byte* Tensor::mutable_host_bytes(Dtype wanted) {
  check_on_host();
  return checked_mutable_bytes(wanted);
}

double Tensor::item() const {
  check<ShapeError>(numel() == 1, "item: wants one element, the shape is ", shape());
  if (is_only_stored(dtype())) return cast(to(Device::cpu()), Dtype::float64).item();
  return dispatch_all(dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Through = std::conditional_t<std::is_same_v<T, bfloat16>, float, T>;
    return static_cast<double>(static_cast<Through>(*to(Device::cpu()).data<T>()));
  });
}

Tensor Tensor::to(Device target) const {
  if (device() == target) return detach();
  Tensor copy = empty(shape(), dtype(), target);
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape(), dtype(), device());
  copy.copy_from(*this);
  return copy;
}

void Tensor::copy_from(const Tensor& source) {
  check<ShapeError>(shape() == source.shape() && dtype() == source.dtype(),
                    "copy_from: ", source.dtype(), " ", source.shape(), " into ", dtype(), " ",
                    shape());
  if (bytes() > 0)
    copy_bytes(source.raw_data(), source.device(), raw_mutable_data(), device(), bytes());
}

Tensor Tensor::detach() const {
  return with_node(nullptr);
}

Tensor Tensor::view(const Shape& new_shape) const {
  check<ShapeError>(new_shape.numel() == numel(), "reshape: ", shape(), " has ", numel(),
                    " elements, ", new_shape, " has ", new_shape.numel());
  Impl impl = get();
  impl.shape = new_shape;
  impl.node = nullptr;
  impl.requires_grad = false;
  return Tensor(std::move(impl));
}

Tensor Tensor::view_rows(std::int64_t begin, std::int64_t end) const {
  check<ShapeError>(rank() > 0 && begin >= 0 && begin <= end && end <= dim(0), "slice: rows [",
                    begin, ",", end, ") of ", shape());
  const std::int64_t rows = dim(0);
  Impl impl = get();
  if (rows > 0) impl.offset += bytes_of(numel() / rows, dtype()) * static_cast<std::size_t>(begin);
  impl.shape = shape().with(0, end - begin);
  impl.node = nullptr;
  impl.requires_grad = false;
  return Tensor(std::move(impl));
}

bool Tensor::requires_grad() const {
  return defined() && impl_->requires_grad;
}

Tensor& Tensor::set_requires_grad(bool required) {
  const Impl& impl = get();
  check(!impl.node || impl.node->inputs.empty(), "set_requires_grad: this is the result of ",
        impl.node ? impl.node->op : "an op", "; only a leaf can be switched");
  check(!required || is_floating_point(dtype()), "set_requires_grad: ", dtype(),
        " has no gradient");
  if (required && !impl_->node) {
    impl_->node = std::make_shared<Node>();
    impl_->node->shape = shape();
    impl_->node->dtype = dtype();
  }
  impl_->requires_grad = required;
  return *this;
}

Tensor Tensor::grad() const {
  return get().node ? get().node->grad : Tensor();
}

void Tensor::set_grad(Tensor gradient) {
  check(get().node != nullptr, "set_grad: this tensor does not require a gradient");
  check<ShapeError>(
      !gradient.defined() || (gradient.shape() == shape() && gradient.dtype() == dtype() &&
                              gradient.device() == device()),
      "set_grad: shape, dtype or device differs from ", dtype(), " ", shape(), " on ", device());
  get().node->grad = gradient.defined() ? unshared(gradient) : gradient;
}

void Tensor::backward(BackwardOptions options) const {
  run_backward(*this, options);
}

const NodePtr& Tensor::node() const {
  return get().node;
}

Tensor Tensor::with_node(NodePtr node) const {
  Impl impl = get();
  impl.requires_grad = node != nullptr;
  impl.node = std::move(node);
  return Tensor(std::move(impl));
}

void check_same_kind(const char* op, const Tensor& a, const Tensor& b) {
  check<ShapeError>(a.dtype() == b.dtype(), op, ": dtypes differ: ", a.dtype(), " and ", b.dtype());
  check<ShapeError>(a.device() == b.device(), op, ": devices differ: ", a.device(), " and ",
                    b.device());
}

}  // namespace whisker::inline v0_1
