// The three convolutions by a kernel of the caller's choice: what the entry points in
// kernels/conv2d.h call after choosing, and what tests and benchmarks call for each plan in turn.
#pragma once

#include <cstdint>

#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/conv2d_choice.h>
#include <whisker/kernels/cuda/conv2d_tuning.h>

namespace whisker::inline v0_1::kernels::cuda {

/// As the functions without a plan. Throw Error if the plan is not applicable.
template <class T>
void conv2d_forward(const Conv2dPlan& plan, const T* x, Weight<float> weight, const float* bias,
                    T* y, const Conv2dShape& shape, Context& context);
template <class T>
void conv2d_backward_data(const Conv2dPlan& plan, const T* dy, Weight<float> weight,
                          const float* bias, T* dx, const Conv2dShape& shape, Context& context);
template <class T>
void conv2d_backward_weight(const Conv2dPlan& plan, const T* x, const T* dy, float* dweight,
                            const Conv2dShape& shape, Context& context);

/// The facts of a call with elements T and these pointers; null ones are aligned.
template <class T, class... Pointers>
Conv2dFacts conv2d_facts(const Context& context, const Pointers*... pointers) {
  return {.math = math_type<T>(context.tf32),
          .sm_count = context.sm_count,
          .max_shared_bytes = context.max_shared_bytes,
          .aligned = ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...),
          .cudnn = cudnn_usable()};
}

/// Throws Error unless the plan is applicable.
void check_plan(const Conv2dPlan& plan, Conv2dPass pass, const Conv2dShape& shape,
                const Conv2dFacts& facts);

}  // namespace whisker::inline v0_1::kernels::cuda
