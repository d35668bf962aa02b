// From a tensor's device and dtype to the kernels that serve it.
//
//   dispatch_float("tanh", x, [&](auto tag, auto& context) {
//     using T = typename decltype(tag)::type;
//     unary_forward(x.kernel_data<T>(), y.kernel_mutable_data<T>(), n, kernels::Tanh{}, context);
//   });
//
// The unqualified call finds kernels::cpu or kernels::cuda by the type of the context.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include <whisker/core/memory_pool.h>
#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {
namespace kernels::cuda {
struct Context;
}

#ifdef WHISKER_CUDA
inline constexpr bool kWithCuda = true;
#else
inline constexpr bool kWithCuda = false;
#endif
/// Whether the GPU of this build is kernels/sim, which no device "auto" should choose.
#ifdef WHISKER_SIM
inline constexpr bool kSimulated = true;
#else
inline constexpr bool kSimulated = false;
#endif

/// The context of the GPU with this index, made at its first use; throws Error if there is none.
/// Defined where kWithCuda.
kernels::cuda::Context& cuda_context(int index);

/// Why a GPU cannot be used; empty if it can. Defined where kWithCuda.
std::string cuda_device_problem(int index);

/// What Storage and copy_bytes() do where a GPU is involved. Defined where kWithCuda.
kernels::Buffer allocate_with_cuda(std::size_t bytes, Device device);
void copy_bytes_with_cuda(const std::byte* from, Device from_device, std::byte* to,
                          Device to_device, std::size_t bytes);

/// What Graph is where a GPU is involved: records body() and returns what replays it. Defined where
/// kWithCuda.
std::function<void()> capture_with_cuda(Device device, const std::function<void()>& body);

/// Calls body(context) with the context of the device's back end.
template <class Body>
decltype(auto) with_context(Device device, Body&& body) {
  if constexpr (kWithCuda) {
    if (device.type == Device::Type::cuda) return body(cuda_context(device.index));
  }
  return body(cpu_context());
}

/// Whether T can be an element of a tensor where this context's kernels run.
template <class T, class Context>
inline constexpr bool serves =
    !std::is_same_v<T, double> || std::is_same_v<Context, kernels::cpu::Context>;

namespace detail {

/// body(tag, context), if the context's back end serves the tag's type.
template <class Tag, class Context, class Body>
void serve(const char* op, Tag tag, Context& context, Body&& body) {
  if constexpr (serves<typename Tag::type, Context>)
    body(tag, context);
  else
    throw ShapeError(str(op, ": float64 is for the CPU; cast to float32 or move x there"));
}

}  // namespace detail

/// Calls body(TypeTag<T>, context) for the device and the floating-point dtype of x; throws
/// ShapeError that names `op` for another dtype.
template <class Body>
void dispatch_float(const char* op, const Tensor& x, Body&& body) {
  with_context(x.device(), [&](auto& context) {
    dispatch_float(x.dtype(), op, [&](auto tag) { detail::serve(op, tag, context, body); });
  });
}

/// The same for a dtype of weights, float32 or float64.
template <class Body>
void dispatch_master(const char* op, const Tensor& x, Body&& body) {
  with_context(x.device(), [&](auto& context) {
    dispatch_master(x.dtype(), op, [&](auto tag) { detail::serve(op, tag, context, body); });
  });
}

/// The same for any dtype that is not only stored.
template <class Body>
void dispatch_all(const char* op, const Tensor& x, Body&& body) {
  with_context(x.device(), [&](auto& context) {
    dispatch_all(
        x.dtype(), [&](auto tag) { detail::serve(op, tag, context, body); }, op);
  });
}

}  // namespace whisker::inline v0_1
