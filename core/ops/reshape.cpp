#include <cstring>

#include <whisker/core/autograd.h>
#include <whisker/core/ops/reshape.h>

namespace whisker::inline v0_1 {
namespace {

std::int64_t product(const Shape& shape, int first, int last) {
  std::int64_t n = 1;
  for (int axis = first; axis < last; ++axis)
    n *= shape[axis];
  return n;
}

/// The part [begin, begin + size) of x along an axis, in storage of its own.
Tensor copy_range(const Tensor& x, int axis, std::int64_t begin, std::int64_t size) {
  Tensor part = Tensor::empty(x.shape().with(axis, size), x.dtype(), x.device());
  const auto inner =
      static_cast<std::size_t>(product(x.shape(), axis + 1, x.rank())) * size_of(x.dtype());
  const std::size_t from_row = static_cast<std::size_t>(x.dim(axis)) * inner;
  const std::size_t row = static_cast<std::size_t>(size) * inner;
  const std::int64_t rows = product(x.shape(), 0, axis);
  std::byte* to = part.raw_mutable_data();
  const std::byte* from = x.raw_data() + static_cast<std::size_t>(begin) * inner;
  for (std::int64_t r = 0; r < rows; ++r, to += row, from += from_row)
    std::memcpy(to, from, row);
  return part;
}

/// The adjoint of taking the range [begin, ...) of `shape` along an axis: zeros elsewhere.
Tensor pad_range(const Tensor& part, const Shape& shape, int axis, std::int64_t begin) {
  const std::int64_t end = begin + part.dim(axis);
  std::vector<Tensor> pieces;
  if (begin > 0) pieces.push_back(Tensor::zeros(shape.with(axis, begin), part.dtype()));
  pieces.push_back(part);
  if (end < shape[axis])
    pieces.push_back(Tensor::zeros(shape.with(axis, shape[axis] - end), part.dtype()));
  return concat(pieces, axis);
}

/// A differentiable range along any axis: what concat's gradient is made of.
Tensor range(const Tensor& x, int axis, std::int64_t begin, std::int64_t size) {
  const Tensor part = copy_range(x, axis, begin, size);
  if (!must_record({x})) return part;
  return record(
      part, "range", {x},
      [shape = x.shape(), axis, begin](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
        return {pad_range(dy, shape, axis, begin)};
      });
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const Tensor y = x.view(shape);
  if (!must_record({x})) return y;
  return record(y, "reshape", {x},
                [from = x.shape()](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
                  return {reshape(dy, from)};
                });
}

Tensor flatten(const Tensor& x) {
  check<ShapeError>(x.rank() >= 1, "flatten: a scalar has no leading dimension");
  return reshape(x, {x.dim(0), product(x.shape(), 1, x.rank())});
}

Tensor slice(const Tensor& x, std::int64_t begin, std::int64_t end) {
  const Tensor y = x.view_rows(begin, end);
  if (!must_record({x})) return y;
  return record(
      y, "slice", {x},
      [shape = x.shape(), begin](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
        return {pad_range(dy, shape, 0, begin)};
      });
}

Tensor concat(const std::vector<Tensor>& parts, int axis) {
  check<ShapeError>(!parts.empty(), "concat: no tensors were given");
  const Tensor& first = parts.front();
  check<ShapeError>(first.rank() > 0, "concat: scalars cannot be joined");
  const int at = first.shape().index(axis);
  std::int64_t size = 0;
  bool recorded = false;
  for (const Tensor& part : parts) {
    check_same_kind("concat", first, part);
    check<ShapeError>(
        part.rank() == first.rank() && part.shape().with(at, 1) == first.shape().with(at, 1),
        "concat: ", first.shape(), " and ", part.shape(), " differ in another axis than ", axis);
    size += part.dim(at);
    recorded = recorded || must_record({part});
  }
  Tensor y = Tensor::empty(first.shape().with(at, size), first.dtype(), first.device());
  const std::int64_t rows = product(first.shape(), 0, at);
  std::byte* to = y.raw_mutable_data();
  for (std::int64_t r = 0; r < rows; ++r)
    for (const Tensor& part : parts) {
      const std::size_t row = part.bytes() / static_cast<std::size_t>(rows);
      if (row > 0) std::memcpy(to, part.raw_data() + static_cast<std::size_t>(r) * row, row);
      to += row;
    }
  if (!recorded) return y;

  std::vector<std::int64_t> sizes;
  for (const Tensor& part : parts)
    sizes.push_back(part.dim(at));
  return record(y, "concat", parts,
                [sizes, at](const Tensor& dy, const NodePtr& self) -> std::vector<Tensor> {
                  std::vector<Tensor> gradients;
                  std::int64_t begin = 0;
                  for (std::size_t i = 0; i < sizes.size(); ++i) {
                    gradients.push_back(self->wants(i) ? range(dy, at, begin, sizes[i]) : Tensor());
                    begin += sizes[i];
                  }
                  return gradients;
                });
}

}  // namespace whisker::inline v0_1
