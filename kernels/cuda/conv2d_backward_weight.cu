// conv2d_backward_weight: m = o, n = (r, s, c), k = pixels of dy; see conv2d_index.h. There are few
// tiles and a long k, so k is split among blocks; the parts are added in a fixed order.
#include <whisker/kernels/cuda/conv2d_few_channels.h>
#include <whisker/kernels/cuda/conv2d_launch.cuh>
#include <whisker/kernels/cuda/conv2d_plan.h>
#include <whisker/kernels/cuda/sum_parts.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/conv2d.h>

namespace whisker::inline v0_1::kernels::cuda {

template <class T>
void conv2d_backward_weight(const Conv2dPlan& plan, const T* x, const T* dy, float* dweight,
                            const Conv2dShape& shape, Context& context) {
  const Conv2dFacts facts = conv2d_facts<T>(context, x, dy, dweight);
  check_plan(plan, Conv2dPass::backward_weight, shape, facts);
  if (plan.algorithm == Conv2dAlgorithm::cudnn) {
    if constexpr (cudnn::kWithCudnn)
      cudnn::conv2d_backward_weight(x, dy, dweight, shape, plan.engine, context);
    return;
  }
  check_gemm_sizes(shape);

  const std::int64_t size = shape.weight_size();
  const bool few_channels = plan.algorithm == Conv2dAlgorithm::few_channels;
  const int parts = few_channels ? plan.splits * kWeightParts : plan.splits;
  const Buffer workspace =
      parts > 1 ? context.allocate(sizeof(float) * static_cast<std::size_t>(size * parts))
                : nullptr;
  float* sums = parts > 1 ? reinterpret_cast<float*>(workspace.get()) : dweight;
  GemmCall<BackwardWeightGemm, T, T, float> call{.name = "conv2d_backward_weight_simt",
                                                 .a = dy,
                                                 .b = x,
                                                 .bias = nullptr,
                                                 .c = sums,
                                                 .gemms = {backward_weight_gemm(shape)},
                                                 .splits = plan.splits,
                                                 .split_pitch = size};
  if (plan.algorithm == Conv2dAlgorithm::simt) {
    launch_simt(call, shape, facts, context);
  } else if (few_channels) {
    few_channels_backward_weight(x, dy, sums, plan.splits, shape, context);
  } else {
    call.name = "conv2d_backward_weight_mma";
    launch_mma(plan.tile, call, context);
  }
  if (parts > 1) sum_parts(sums, dweight, size, parts, context);
}

template <class T>
void conv2d_backward_weight(const T* x, const T* dy, float* dweight, const Conv2dShape& shape,
                            Context& context) {
  const Conv2dFacts facts = conv2d_facts<T>(context, x, dy, dweight);
  const Conv2dPlan plan = select_conv2d_plan(Conv2dPass::backward_weight, shape, facts, context);
  conv2d_backward_weight(plan, x, dy, dweight, shape, context);
}

template void conv2d_backward_weight(const float*, const float*, float*, const Conv2dShape&,
                                     Context&);
template void conv2d_backward_weight(const bfloat16*, const bfloat16*, float*, const Conv2dShape&,
                                     Context&);
template void conv2d_backward_weight(const Conv2dPlan&, const float*, const float*, float*,
                                     const Conv2dShape&, Context&);
template void conv2d_backward_weight(const Conv2dPlan&, const bfloat16*, const bfloat16*, float*,
                                     const Conv2dShape&, Context&);

}  // namespace whisker::inline v0_1::kernels::cuda
