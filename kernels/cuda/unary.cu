// Unary functions: y = op(x) and dx = dy * op'(x), one thread per 16 bytes of elements.
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/vector.cuh>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

template <class Op>
struct Backward {
  Op op;
  __device__ float operator()(float dy, float saved) const { return op.gradient(dy, saved); }
};

}  // namespace

template <class Op, class T>
void unary_forward(const T* x, T* y, std::int64_t n, Op op, Context& context) {
  transform("unary_forward", op, n, context, y, x);
}

template <class Op, class T>
void unary_backward(const T* dy, const T* saved, T* dx, std::int64_t n, Op op, Context& context) {
  transform("unary_backward", Backward<Op>{op}, n, context, dx, dy, saved);
}

#define WHISKER_INSTANTIATE_UNARY(Op, T)                                        \
  template void unary_forward<Op, T>(const T*, T*, std::int64_t, Op, Context&); \
  template void unary_backward<Op, T>(const T*, const T*, T*, std::int64_t, Op, Context&);
WHISKER_UNARY_FUNCTIONS(WHISKER_INSTANTIATE_UNARY, float)
WHISKER_UNARY_FUNCTIONS(WHISKER_INSTANTIATE_UNARY, bfloat16)

}  // namespace whisker::inline v0_1::kernels::cuda
