#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/cast.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>

namespace whisker::inline v0_1 {

Tensor cast(const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  dispatch_all("cast", x, [&](auto from, auto& context) {
    dispatch_float("cast", y, [&](auto to, auto&) {
      using From = typename decltype(from)::type;
      using To = typename decltype(to)::type;
      if constexpr (serves<To, std::remove_reference_t<decltype(context)>>)
        cast(x.kernel_data<From>(), y.kernel_mutable_data<To>(), x.numel(), context);
    });
  });
  if (!must_record({x})) return y;
  return record(y, "cast", {x},
                [from = x.dtype()](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
                  return {cast(dy, from)};
                });
}

}  // namespace whisker::inline v0_1
