#include <type_traits>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/add_bias.h>
#include <whisker/kernels/cuda/current_device.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/weight_copy.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/conv2d.h>
#include <whisker/kernels/cudnn/conv2d_engines.h>
#include <whisker/kernels/cudnn/plan_cache.h>

namespace whisker::inline v0_1::kernels::cudnn {
namespace {

using cuda::Conv2dMath;
using cuda::Conv2dPass;

void execute(const Conv2dProblem& problem, std::string_view engine, const void* x,
             const void* weight, const void* y, cuda::Context& context) {
  const std::lock_guard lock(cudnn_mutex());
  const CachedPlan<Conv2dProblem>& found = find_plan(problem, engine, context);
  check(found.plan != nullptr, "conv2d: cuDNN has no engine", engine.empty() ? "" : " ", engine,
        " for ", problem.shape.to_string(), " (", found.why_not, "); use WHISKER_CONV=own");
  execute_plan(
      *found.plan, [&](void* workspace) { return make_variant_pack(x, weight, y, workspace); },
      context);
}

template <class T>
Conv2dProblem problem_of(Conv2dPass pass, const Conv2dShape& shape, const cuda::Context& context) {
  const Conv2dMath math = std::is_same_v<T, bfloat16> ? Conv2dMath::bfloat16
                          : context.tf32              ? Conv2dMath::tf32
                                                      : Conv2dMath::float32;
  return {pass, shape, math};
}

/// Calls body(pointer) with the weight in T.
template <class T, class Body>
void with_weight(Weight<float> weight, const Conv2dShape& shape, cuda::Context& context,
                 const Body& body) {
  if constexpr (std::is_same_v<T, bfloat16>) {
    const Buffer copy = cuda::bfloat16_copy(weight, shape.weight_size(), context);
    body(copy.get());
  } else {
    body(weight.data);
  }
}

}  // namespace

std::vector<Conv2dEngine> list_conv2d_engines(const Conv2dProblem& problem,
                                              cuda::Context& context) {
  const std::lock_guard lock(cudnn_mutex());
  const cuda::CurrentDevice current(context.device);
  std::vector<Conv2dEngine> engines;
  visit_plans(problem, {cudnn_handle(context)}, {}, [&](const ExecutionPlan& plan) {
    engines.push_back({plan.engine, plan.workspace_bytes});
    return false;
  });
  return engines;
}

bool conv2d_supported(const Conv2dProblem& problem, std::string_view engine,
                      cuda::Context& context) {
  if (!cudnn_available()) return false;
  const std::lock_guard lock(cudnn_mutex());
  return find_plan(problem, engine, context).plan != nullptr;
}

template <class T>
void conv2d_forward(const T* x, Weight<float> weight, const float* bias, T* y,
                    const Conv2dShape& shape, std::string_view engine, cuda::Context& context) {
  with_weight<T>(weight, shape, context, [&](const void* w) {
    execute(problem_of<T>(Conv2dPass::forward, shape, context), engine, x, w, y, context);
  });
  if (bias != nullptr) cuda::add_bias(bias, y, shape.output_size(), shape.out_channels, context);
}

template <class T>
void conv2d_backward_data(const T* dy, Weight<float> weight, const float* bias, T* dx,
                          const Conv2dShape& shape, std::string_view engine,
                          cuda::Context& context) {
  with_weight<T>(weight, shape, context, [&](const void* w) {
    execute(problem_of<T>(Conv2dPass::backward_data, shape, context), engine, dx, w, dy, context);
  });
  if (bias != nullptr) cuda::add_bias(bias, dx, shape.input_size(), shape.in_channels, context);
}

template <class T, class TWeight>
void conv2d_backward_weight(const T* x, const T* dy, TWeight* dweight, const Conv2dShape& shape,
                            std::string_view engine, cuda::Context& context) {
  const Conv2dProblem problem = problem_of<T>(Conv2dPass::backward_weight, shape, context);
  if constexpr (std::is_same_v<T, TWeight>) {
    execute(problem, engine, x, dweight, dy, context);
  } else {
    const std::int64_t size = shape.weight_size();
    const Buffer rounded = context.allocate(static_cast<std::size_t>(size) * sizeof(T));
    execute(problem, engine, x, rounded.get(), dy, context);
    cuda::cast(reinterpret_cast<const T*>(rounded.get()), dweight, size, context);
  }
}

template void conv2d_forward(const float*, Weight<float>, const float*, float*, const Conv2dShape&,
                             std::string_view, cuda::Context&);
template void conv2d_forward(const bfloat16*, Weight<float>, const float*, bfloat16*,
                             const Conv2dShape&, std::string_view, cuda::Context&);
template void conv2d_backward_data(const float*, Weight<float>, const float*, float*,
                                   const Conv2dShape&, std::string_view, cuda::Context&);
template void conv2d_backward_data(const bfloat16*, Weight<float>, const float*, bfloat16*,
                                   const Conv2dShape&, std::string_view, cuda::Context&);
template void conv2d_backward_weight(const float*, const float*, float*, const Conv2dShape&,
                                     std::string_view, cuda::Context&);
template void conv2d_backward_weight(const bfloat16*, const bfloat16*, float*, const Conv2dShape&,
                                     std::string_view, cuda::Context&);
template void conv2d_backward_weight(const bfloat16*, const bfloat16*, bfloat16*,
                                     const Conv2dShape&, std::string_view, cuda::Context&);

}  // namespace whisker::inline v0_1::kernels::cudnn
