// conv2d_forward: m = pixels of y, n = o, k = (r, s, c); see conv2d_index.h.
#include <whisker/kernels/cuda/conv2d_few_channels.h>
#include <whisker/kernels/cuda/conv2d_launch.cuh>
#include <whisker/kernels/cuda/conv2d_plan.h>
#include <whisker/kernels/cuda/weight_copy.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/conv2d.h>

namespace whisker::inline v0_1::kernels::cuda {

template <class T>
void conv2d_forward(const Conv2dPlan& plan, const T* x, Weight<float> weight, const float* bias,
                    T* y, const Conv2dShape& shape, Context& context) {
  const Conv2dFacts facts = conv2d_facts<T>(context, x, weight.data, y);
  check_plan(plan, Conv2dPass::forward, shape, facts);
  if (plan.algorithm == Conv2dAlgorithm::cudnn) {
    if constexpr (cudnn::kWithCudnn)
      cudnn::conv2d_forward(x, weight, bias, y, shape, plan.engine, context);
    return;
  }
  check_gemm_sizes(shape);
  if (shape.output_size() == 0) return;

  const auto call = [&](const char* name, const auto* b) {
    return GemmCall<ForwardGemm, T, std::remove_cvref_t<decltype(*b)>, T>{
        .name = name, .a = x, .b = b, .bias = bias, .c = y, .gemms = {forward_gemm(shape)}};
  };
  if (plan.algorithm == Conv2dAlgorithm::simt) {
    launch_simt(call("conv2d_forward_simt", weight.data), shape, facts, context);
  } else if (plan.algorithm == Conv2dAlgorithm::few_channels) {
    few_channels_forward(x, weight.data, bias, y, shape, context);
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    const Buffer copy = bfloat16_copy(weight, shape.weight_size(), context);
    launch_mma(plan.tile, call("conv2d_forward_mma", reinterpret_cast<const bfloat16*>(copy.get())),
               context);
  } else {
    launch_mma(plan.tile, call("conv2d_forward_mma", weight.data), context);
  }
}

template <class T>
void conv2d_forward(const T* x, Weight<float> weight, const float* bias, T* y,
                    const Conv2dShape& shape, Context& context) {
  const Conv2dFacts facts = conv2d_facts<T>(context, x, weight.data, y);
  const Conv2dPlan plan = select_conv2d_plan(Conv2dPass::forward, shape, facts, context);
  conv2d_forward(plan, x, weight, bias, y, shape, context);
}

template void conv2d_forward(const float*, Weight<float>, const float*, float*, const Conv2dShape&,
                             Context&);
template void conv2d_forward(const bfloat16*, Weight<float>, const float*, bfloat16*,
                             const Conv2dShape&, Context&);
template void conv2d_forward(const Conv2dPlan&, const float*, Weight<float>, const float*, float*,
                             const Conv2dShape&, Context&);
template void conv2d_forward(const Conv2dPlan&, const bfloat16*, Weight<float>, const float*,
                             bfloat16*, const Conv2dShape&, Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
