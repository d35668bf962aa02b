#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/weight_copy.h>

namespace whisker::inline v0_1::kernels::cuda {

Buffer bfloat16_copy(Weight<float> weight, std::int64_t size, Context& context) {
  const auto make = [&] {
    Buffer copy = context.allocate(static_cast<std::size_t>(size) * sizeof(bfloat16));
    cast(weight.data, reinterpret_cast<bfloat16*>(copy.get()), size, context);
    return copy;
  };
  return weight.packed != nullptr ? weight.packed->get(kBfloat16Layout, make) : make();
}

}  // namespace whisker::inline v0_1::kernels::cuda
