#include <whisker/core/autograd.h>
#include <whisker/core/ops/cast.h>
#include <whisker/kernels/cpu/elementwise.h>

namespace whisker::inline v0_1 {

Tensor cast(const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  dispatch_all(x.dtype(), [&](auto from) {
    dispatch_float(dtype, "cast", [&](auto to) {
      using From = typename decltype(from)::type;
      using To = typename decltype(to)::type;
      kernels::cpu::cast(x.data<From>(), y.mutable_data<To>(), x.numel());
    });
  });
  if (!must_record({x})) return y;
  return record(y, "cast", {x},
                [from = x.dtype()](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
                  return {cast(dy, from)};
                });
}

}  // namespace whisker::inline v0_1
