#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/binary.h>
#include <whisker/core/ops/reduce.h>
#include <whisker/core/ops/unary.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>

namespace whisker::inline v0_1 {
namespace {

using kernels::BroadcastShape;

/// Strides of `shape` seen as `out`, 0 along broadcast axes.
std::array<std::int64_t, Shape::kMaxRank> broadcast_strides(const Shape& shape, const Shape& out) {
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (int i = 1; i <= shape.rank(); ++i) {
    if (shape[-i] != 1) strides[static_cast<std::size_t>(out.rank() - i)] = stride;
    stride *= shape[-i];
  }
  return strides;
}

/// The walk over a and b, with neighbouring axes merged where both run through in one stride.
BroadcastShape broadcast_walk(const Shape& a, const Shape& b, const Shape& out) {
  const auto a_strides = broadcast_strides(a, out), b_strides = broadcast_strides(b, out);
  BroadcastShape walk;
  for (std::size_t i = 0; i < static_cast<std::size_t>(out.rank()); ++i) {
    const std::int64_t dim = out[static_cast<int>(i)];
    if (dim == 1) continue;
    const auto last = static_cast<std::size_t>(walk.rank - 1);
    if (walk.rank > 0 && walk.a_strides[last] == a_strides[i] * dim &&
        walk.b_strides[last] == b_strides[i] * dim) {
      walk.dims[last] *= dim;
      walk.a_strides[last] = a_strides[i];
      walk.b_strides[last] = b_strides[i];
      continue;
    }
    const auto next = static_cast<std::size_t>(walk.rank++);
    walk.dims[next] = dim;
    walk.a_strides[next] = a_strides[i];
    walk.b_strides[next] = b_strides[i];
  }
  if (walk.rank == 0) {
    walk.rank = 1;
    walk.dims[0] = 1;
  }
  return walk;
}

template <class Op>
Tensor binary(const char* name, const Tensor& a, const Tensor& b, Op op) {
  check_same_kind(name, a, b);
  const Shape out = broadcast_shapes(a.shape(), b.shape(), name);
  Tensor c = Tensor::empty(out, a.dtype(), a.device());
  dispatch_float(name, a, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    if (c.numel() > 0)
      binary_forward(a.kernel_data<T>(), b.kernel_data<T>(), c.kernel_mutable_data<T>(),
                     broadcast_walk(a.shape(), b.shape(), out), op, context);
  });
  return c;
}

/// Records c = op(a, b); the closure gives the gradients of the broadcast arguments.
template <class Gradients>
Tensor record_binary(const Tensor& c, const char* name, const Tensor& a, const Tensor& b,
                     Gradients gradients) {
  if (!must_record({a, b})) return c;
  return record(
      c, name, {a, b},
      [gradients, a_shape = a.shape(), b_shape = b.shape()](
          const Tensor& dy, const NodePtr& self) -> std::vector<Tensor> {
        auto [da, db] = gradients(dy, *self);
        return {da.defined() ? sum_to(da, a_shape) : da, db.defined() ? sum_to(db, b_shape) : db};
      });
}

using Pair = std::pair<Tensor, Tensor>;

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return record_binary(binary("add", a, b, kernels::Add{}), "add", a, b,
                       [](const Tensor& dy, const Node&) { return Pair(dy, dy); });
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return record_binary(
      binary("sub", a, b, kernels::Subtract{}), "sub", a, b,
      [](const Tensor& dy, const Node& self) { return Pair(dy, self.wants(1) ? -dy : Tensor()); });
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return record_binary(binary("mul", a, b, kernels::Multiply{}), "mul", a, b,
                       [a = Saved(a), b = Saved(b)](const Tensor& dy, const Node& self) {
                         return Pair(self.wants(0) ? dy * b.get() : Tensor(),
                                     self.wants(1) ? dy * a.get() : Tensor());
                       });
}

Tensor div(const Tensor& a, const Tensor& b) {
  return record_binary(binary("div", a, b, kernels::Divide{}), "div", a, b,
                       [a = Saved(a), b = Saved(b)](const Tensor& dy, const Node& self) {
                         const Tensor divisor = b.get();
                         return Pair(
                             self.wants(0) ? dy / divisor : Tensor(),
                             self.wants(1) ? -(dy * (a.get() / divisor / divisor)) : Tensor());
                       });
}

Tensor sigmoid_cross_entropy_with_logits(const Tensor& logits, const Tensor& labels) {
  constexpr const char* kName = "sigmoid_cross_entropy_with_logits";
  return record_binary(binary(kName, logits, labels, kernels::SigmoidCrossEntropy{}), kName, logits,
                       labels,
                       [x = Saved(logits), z = Saved(labels)](const Tensor& dy, const Node& self) {
                         return Pair(self.wants(0) ? dy * (sigmoid(x.get()) - z.get()) : Tensor(),
                                     self.wants(1) ? -(dy * x.get()) : Tensor());
                       });
}

}  // namespace whisker::inline v0_1
