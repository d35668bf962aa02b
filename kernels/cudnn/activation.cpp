// A leaky ReLU is a graph; tanh and sigmoid are functions of cuDNN's older interface, because the
// graphs' derivatives want x, and y is what is saved.
#include <array>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cudnn/activation.h>
#include <whisker/kernels/cudnn/leaky_relu_plans.h>
#include <whisker/kernels/cudnn/plan_cache.h>
#include <whisker/kernels/cudnn/tensor_descriptor.h>

namespace whisker::inline v0_1::kernels::cudnn {
namespace {

class ActivationDescriptor {
 public:
  explicit ActivationDescriptor(cudnnActivationMode_t mode) {
    constexpr double kUnused = 0.0;
    cudnnActivationDescriptor_t made = nullptr;
    check_cudnn(cudnn_api().create_activation(&made), "cudnnCreateActivationDescriptor");
    handle_.reset(made);
    check_cudnn(cudnn_api().set_activation(made, mode, CUDNN_PROPAGATE_NAN, kUnused),
                "cudnnSetActivationDescriptor");
  }

  cudnnActivationDescriptor_t get() const { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(cudnnActivationDescriptor_t handle) const {
      static_cast<void>(cudnn_api().destroy_activation(handle));
    }
  };
  std::unique_ptr<cudnnActivationStruct, Destroy> handle_;
};

constexpr float kOne = 1.0F, kZero = 0.0F;

template <class Op>
constexpr cudnnActivationMode_t kMode =
    std::is_same_v<Op, Tanh> ? CUDNN_ACTIVATION_TANH : CUDNN_ACTIVATION_SIGMOID;

/// 16, or the size of an element where an array is a slice from an odd place.
template <class T>
std::int64_t alignment_of(std::initializer_list<const T*> arrays) {
  for (const T* array : arrays)
    if (reinterpret_cast<std::uintptr_t>(array) % 16 != 0) return sizeof(T);
  return 16;
}

/// dy is null in the forward pass.
template <class T>
void execute(const T* x, const T* dy, T* result, std::int64_t n, double slope,
             cuda::Context& context) {
  const LeakyReluProblem problem{.backward = dy != nullptr,
                                 .n = n,
                                 .type = kDataType<T>,
                                 .slope = slope,
                                 .alignment = alignment_of<T>({x, dy, result})};
  const std::lock_guard lock(cudnn_mutex());
  const CachedPlan<LeakyReluProblem>& found = find_plan(problem, {}, context);
  check(found.plan != nullptr, "leaky_relu: cuDNN has no engine for ", n, " elements (",
        found.why_not, ")");
  // The type of all is void*, whether they are read or written.
  const std::array<void*, 3> pointers{const_cast<T*>(x), result, const_cast<T*>(dy)};
  const std::array<std::int64_t, 3> ids{kReluXId, kReluResultId, kReluDyId};
  const std::size_t count = dy != nullptr ? 3 : 2;
  execute_plan(
      *found.plan,
      [&](void* workspace) {
        return make_variant_pack(std::span(pointers).first(count), std::span(ids).first(count),
                                 workspace);
      },
      context);
}

}  // namespace

template <class Op, class T>
void unary_forward(const T* x, T* y, std::int64_t n, Op op, cuda::Context& context) {
  if constexpr (std::is_same_v<Op, LeakyRelu>) {
    execute<T>(x, nullptr, y, n, op.slope, context);
  } else {
    const TensorDescriptor array(kDataType<T>, nhwc_layout(1, 1, 1, n));
    const ActivationDescriptor activation(kMode<Op>);
    const std::lock_guard lock(cudnn_mutex());
    check_cudnn(cudnn_api().activation_forward(cudnn_handle(context), activation.get(), &kOne,
                                               array.get(), x, &kZero, array.get(), y),
                "cudnnActivationForward");
  }
}

template <class Op, class T>
void unary_backward(const T* dy, const T* saved, T* dx, std::int64_t n, Op op,
                    cuda::Context& context) {
  if constexpr (std::is_same_v<Op, LeakyRelu>) {
    execute<T>(saved, dy, dx, n, op.slope, context);
  } else {
    const TensorDescriptor array(kDataType<T>, nhwc_layout(1, 1, 1, n));
    const ActivationDescriptor activation(kMode<Op>);
    const std::lock_guard lock(cudnn_mutex());
    // x is asked for, though y alone makes these derivatives.
    check_cudnn(cudnn_api().activation_backward(cudnn_handle(context), activation.get(), &kOne,
                                                array.get(), saved, array.get(), dy, array.get(),
                                                saved, &kZero, array.get(), dx),
                "cudnnActivationBackward");
  }
}

#define WHISKER_INSTANTIATE(Op, T)                                             \
  template void unary_forward(const T*, T*, std::int64_t, Op, cuda::Context&); \
  template void unary_backward(const T*, const T*, T*, std::int64_t, Op, cuda::Context&);
WHISKER_INSTANTIATE(LeakyRelu, float)
WHISKER_INSTANTIATE(LeakyRelu, bfloat16)
WHISKER_INSTANTIATE(Tanh, float)
WHISKER_INSTANTIATE(Tanh, bfloat16)
WHISKER_INSTANTIATE(Sigmoid, float)
WHISKER_INSTANTIATE(Sigmoid, bfloat16)

}  // namespace whisker::inline v0_1::kernels::cudnn
