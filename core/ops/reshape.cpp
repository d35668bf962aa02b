#include <algorithm>

#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/reshape.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>

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
  const std::int64_t inner =
      static_cast<std::int64_t>(bytes_of(product(x.shape(), axis + 1, x.rank()), x.dtype()));
  const kernels::CopyShape copy{.rows = product(x.shape(), 0, axis),
                                .row_bytes = size * inner,
                                .x_stride = x.dim(axis) * inner,
                                .y_stride = size * inner};
  with_context(x.device(), [&](auto& context) {
    copy_rows(x.raw_data() + begin * inner, part.raw_mutable_data(), copy, context);
  });
  return part;
}

/// The adjoint of taking the range [begin, ...) of `shape` along an axis: zeros elsewhere.
Tensor pad_range(const Tensor& part, const Shape& shape, int axis, std::int64_t begin) {
  const std::int64_t end = begin + part.dim(axis);
  std::vector<Tensor> pieces;
  if (begin > 0)
    pieces.push_back(Tensor::zeros(shape.with(axis, begin), part.dtype(), part.device()));
  pieces.push_back(part);
  if (end < shape[axis])
    pieces.push_back(
        Tensor::zeros(shape.with(axis, shape[axis] - end), part.dtype(), part.device()));
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
  const auto row_bytes = [&](const Tensor& t) {
    return static_cast<std::int64_t>(bytes_of(t.numel() / rows, t.dtype()));
  };
  if (y.bytes() > 0)
    with_context(y.device(), [&](auto& context) {
      std::byte* to = y.raw_mutable_data();
      for (const Tensor& part : parts) {
        const kernels::CopyShape copy{.rows = rows,
                                      .row_bytes = row_bytes(part),
                                      .x_stride = row_bytes(part),
                                      .y_stride = row_bytes(y)};
        copy_rows(part.raw_data(), to, copy, context);
        to += copy.row_bytes;
      }
    });
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
