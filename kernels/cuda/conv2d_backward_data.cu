// conv2d_backward_data: m = pixels of a phase of dx, n = c, k = (tap of the phase, o); see
// conv2d_index.h.
#include <algorithm>

#include <whisker/kernels/cuda/conv2d_few_channels.h>
#include <whisker/kernels/cuda/conv2d_launch.cuh>
#include <whisker/kernels/cuda/conv2d_plan.h>
#include <whisker/kernels/cuda/weight_copy.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/conv2d.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

/// All phases, those with the most taps first: blocks that start last should be short.
std::vector<BackwardDataGemm> phases_of(const Conv2dShape& shape) {
  std::vector<BackwardDataGemm> gemms;
  for (int h = 0; h < std::min<std::int64_t>(shape.stride_h, shape.in_h); ++h)
    for (int w = 0; w < std::min<std::int64_t>(shape.stride_w, shape.in_w); ++w)
      gemms.push_back(backward_data_gemm(shape, h, w));
  std::stable_sort(gemms.begin(), gemms.end(),
                   [](const auto& a, const auto& b) { return a.k > b.k; });
  return gemms;
}

}  // namespace

template <class T>
void conv2d_backward_data(const Conv2dPlan& plan, const T* dy, Weight<float> weight,
                          const float* bias, T* dx, const Conv2dShape& shape, Context& context) {
  const Conv2dFacts facts = conv2d_facts<T>(context, dy, weight.data, dx);
  check_plan(plan, Conv2dPass::backward_data, shape, facts);
  if (plan.algorithm == Conv2dAlgorithm::cudnn) {
    if constexpr (cudnn::kWithCudnn)
      cudnn::conv2d_backward_data(dy, weight, bias, dx, shape, plan.engine, context);
    return;
  }
  check_gemm_sizes(shape);
  if (shape.input_size() == 0) return;

  const auto call = [&](const char* name, const auto* b) {
    return GemmCall<BackwardDataGemm, T, std::remove_cvref_t<decltype(*b)>, T>{
        .name = name, .a = dy, .b = b, .bias = bias, .c = dx, .gemms = phases_of(shape)};
  };
  if (plan.algorithm == Conv2dAlgorithm::simt) {
    launch_simt(call("conv2d_backward_data_simt", weight.data), shape, facts, context);
  } else if (plan.algorithm == Conv2dAlgorithm::few_channels) {
    few_channels_backward_data(dy, weight.data, bias, dx, shape, context);
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    const Buffer copy = bfloat16_copy(weight, shape.weight_size(), context);
    launch_mma(plan.tile,
               call("conv2d_backward_data_mma", reinterpret_cast<const bfloat16*>(copy.get())),
               context);
  } else {
    launch_mma(plan.tile, call("conv2d_backward_data_mma", weight.data), context);
  }
}

template <class T>
void conv2d_backward_data(const T* dy, Weight<float> weight, const float* bias, T* dx,
                          const Conv2dShape& shape, Context& context) {
  const Conv2dFacts facts = conv2d_facts<T>(context, dy, weight.data, dx);
  const Conv2dPlan plan = select_conv2d_plan(Conv2dPass::backward_data, shape, facts, context);
  conv2d_backward_data(plan, dy, weight, bias, dx, shape, context);
}

template void conv2d_backward_data(const float*, Weight<float>, const float*, float*,
                                   const Conv2dShape&, Context&);
template void conv2d_backward_data(const bfloat16*, Weight<float>, const float*, bfloat16*,
                                   const Conv2dShape&, Context&);
template void conv2d_backward_data(const Conv2dPlan&, const float*, Weight<float>, const float*,
                                   float*, const Conv2dShape&, Context&);
template void conv2d_backward_data(const Conv2dPlan&, const bfloat16*, Weight<float>, const float*,
                                   bfloat16*, const Conv2dShape&, Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
