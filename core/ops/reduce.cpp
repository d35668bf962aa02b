#include <array>

#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/binary.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/reduce.h>
#include <whisker/core/ops/reshape.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>

namespace whisker::inline v0_1 {
namespace {

Dtype sum_dtype(Dtype dtype) {
  return dtype == Dtype::float64 ? dtype : Dtype::float32;
}

/// Sums the run of axes [first, last] to size 1.
Tensor sum_run(const Tensor& x, int first, int last) {
  kernels::ReduceShape walk;
  Shape shape = x.shape();
  for (int axis = 0; axis < x.rank(); ++axis) {
    std::int64_t& part = axis < first ? walk.outer : axis <= last ? walk.reduce : walk.inner;
    part *= x.dim(axis);
    if (axis >= first && axis <= last) shape = shape.with(axis, 1);
  }
  Tensor y = Tensor::empty(shape, sum_dtype(x.dtype()), x.device());
  dispatch_float("sum", x, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    reduce_sum(x.kernel_data<T>(), y.kernel_mutable_data<compute_type<T>>(), walk, context);
  });
  return y;
}

using AxisSet = std::array<bool, Shape::kMaxRank>;

/// Sums the marked axes to size 1, one run of neighbouring axes after the other.
Tensor sum_axes(const Tensor& x, const AxisSet& reduced) {
  Tensor y = x;
  for (int first = 0; first < x.rank(); ++first) {
    if (!reduced[static_cast<std::size_t>(first)]) continue;
    int last = first;
    while (last + 1 < x.rank() && reduced[static_cast<std::size_t>(last + 1)])
      ++last;
    y = sum_run(y, first, last);
    first = last;
  }
  return y.dtype() == sum_dtype(x.dtype()) ? y : cast(y, sum_dtype(x.dtype()));
}

}  // namespace

Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keep) {
  AxisSet reduced{};
  if (axes.empty()) reduced.fill(true);
  for (const int axis : axes) {
    bool& mark = reduced[static_cast<std::size_t>(x.shape().index(axis))];
    check<ShapeError>(!mark, "sum: axis ", axis, " of ", x.shape(), " is given twice");
    mark = true;
  }
  std::vector<std::int64_t> rest;
  for (int axis = 0; axis < x.rank(); ++axis)
    if (keep || !reduced[static_cast<std::size_t>(axis)])
      rest.push_back(reduced[static_cast<std::size_t>(axis)] ? 1 : x.dim(axis));
  const Tensor kept = sum_axes(x.detach(), reduced);
  const Tensor y = kept.view(Shape(rest));
  if (!must_record({x})) return y;
  return record(y, "sum", {x},
                [shape = x.shape(), dtype = x.dtype(), kept_shape = kept.shape()](
                    const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
                  return {broadcast_to(reshape(cast(dy, dtype), kept_shape), shape)};
                });
}

Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keep) {
  const Tensor total = sum(x, axes, keep);
  check<ShapeError>(x.numel() > 0 || total.numel() == 0, "mean: of no elements, the shape is ",
                    x.shape());
  return x.numel() == 0
             ? total
             : scale(total, static_cast<double>(total.numel()) / static_cast<double>(x.numel()));
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  check<ShapeError>(broadcast_shapes(x.shape(), shape, "broadcast_to") == shape,
                    "broadcast_to: ", x.shape(), " does not broadcast to ", shape);
  const Tensor y = add(x.detach(), Tensor::zeros(shape, x.dtype(), x.device()));
  if (!must_record({x})) return y;
  return record(y, "broadcast_to", {x},
                [from = x.shape()](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
                  return {sum_to(dy, from)};
                });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  check<ShapeError>(broadcast_shapes(shape, x.shape(), "sum_to") == x.shape(), "sum_to: ", shape,
                    " does not broadcast to ", x.shape());
  std::vector<int> axes;
  const int added = x.rank() - shape.rank();
  for (int axis = 0; axis < x.rank(); ++axis)
    if (axis < added || (shape[axis - added] == 1 && x.dim(axis) != 1)) axes.push_back(axis);
  if (axes.empty()) return reshape(x, shape);
  return cast(reshape(sum(x, axes, true), shape), x.dtype());
}

}  // namespace whisker::inline v0_1
