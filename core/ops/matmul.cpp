#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/binary.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/matmul.h>
#include <whisker/kernels/matmul.h>

namespace whisker::inline v0_1 {
namespace {

/// matmul(a, b) with the operands' roles chosen so that the product comes out transposed if asked.
Tensor product(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b,
               bool transpose_result) {
  if (transpose_result)
    return matmul(b, a, {.transpose_a = !transpose_b, .transpose_b = !transpose_a});
  return matmul(a, b, {.transpose_a = transpose_a, .transpose_b = transpose_b});
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, MatmulOptions options) {
  check_same_kind("matmul", a, b);
  check<ShapeError>(a.rank() == 2 && b.rank() == 2, "matmul: wants two matrices, got ", a.shape(),
                    " and ", b.shape());
  const auto [ta, tb] = options;
  const kernels::MatmulShape shape{.m = a.dim(ta ? 1 : 0),
                                   .n = b.dim(tb ? 0 : 1),
                                   .k = a.dim(ta ? 0 : 1),
                                   .transpose_a = ta,
                                   .transpose_b = tb};
  check<ShapeError>(shape.k == b.dim(tb ? 1 : 0), "matmul: inner sizes of ", a.shape(),
                    ta ? " transposed" : "", " and ", b.shape(), tb ? " transposed" : "",
                    " differ");
  Tensor c = Tensor::empty({shape.m, shape.n}, a.dtype(), a.device());
  dispatch_float("matmul", a, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    matmul(a.kernel_data<T>(), b.kernel_data<T>(), c.kernel_mutable_data<T>(), shape, context);
  });
  if (!must_record({a, b})) return c;
  return record(c, "matmul", {a, b},
                [a = Saved(a), b = Saved(b), ta = ta, tb = tb](
                    const Tensor& dy, const NodePtr& self) -> std::vector<Tensor> {
                  // d op(a) = dy op(b)^T and d op(b) = op(a)^T dy.
                  return {self->wants(0) ? product(dy, false, b.get(), !tb, ta) : Tensor(),
                          self->wants(1) ? product(a.get(), !ta, dy, false, tb) : Tensor()};
                });
}

Tensor dense(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check<ShapeError>(x.rank() == 2 && weight.rank() == 2 && x.dim(1) == weight.dim(1),
                    "dense: weight ", weight.shape(), " wants x [N,in], x is ", x.shape());
  const Tensor y = matmul(x, cast(weight, x.dtype()), {.transpose_b = true});
  if (!bias.defined()) return y;
  check<ShapeError>(bias.shape() == Shape{weight.dim(0)}, "dense: weight ", weight.shape(),
                    " wants bias [out], it is ", bias.shape());
  return add(y, cast(bias, x.dtype()));
}

}  // namespace whisker::inline v0_1
