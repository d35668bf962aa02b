#include <whisker/core/backend.h>
#include <whisker/core/ops/finite.h>

namespace whisker::inline v0_1 {

void find_not_finite(const std::vector<Tensor>& tensors, std::int32_t offset, Tensor& first) {
  std::vector<kernels::ValuesToCheck> arrays;
  for (const Tensor& tensor : tensors) {
    const std::int32_t number = offset++;
    if (!tensor.defined()) continue;
    check<ShapeError>(tensor.device() == first.device(), "find_not_finite: a tensor is on ",
                      tensor.device(), ", the answer on ", first.device());
    arrays.push_back({tensor.kernel_data<float>(), tensor.numel(), number});
  }
  with_context(first.device(), [&](auto& context) {
    find_not_finite(arrays, first.kernel_mutable_data<std::int32_t>(), context);
  });
}

}  // namespace whisker::inline v0_1
