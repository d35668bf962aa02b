// CPU loops over elements; every loop is split at fixed places, so the number of threads does not
// change a result.
#pragma once

#include <cstdint>

#include <whisker/kernels/context.h>
#include <whisker/kernels/elementwise.h>

namespace whisker::inline v0_1::kernels::cpu {

/// y[i] = op(x[i]).
template <class Op, class T>
void unary_forward(const T* x, T* y, std::int64_t n, Op op, Context& context);

/// dx[i] = op.gradient(dy[i], saved[i]); saved is x or y as Op::kSavesOutput says.
template <class Op, class T>
void unary_backward(const T* dy, const T* saved, T* dx, std::int64_t n, Op op, Context& context);

/// c = op(a, b) with broadcasting; c is contiguous of shape.dims.
template <class Op, class T>
void binary_forward(const T* a, const T* b, T* c, const BroadcastShape& shape, Op op,
                    Context& context);

/// y [outer, inner] = sum over the middle of x [outer, reduce, inner], accumulated in double.
template <class T>
void reduce_sum(const T* x, compute_type<T>* y, const ReduceShape& shape, Context& context);

/// y[i] = to the nearest To.
template <class From, class To>
void cast(const From* x, To* y, std::int64_t n, Context& context);

/// y[i] = value, for every element type.
template <class T>
void fill(T value, T* y, std::int64_t n, Context& context);

/// Copies shape.rows rows of x to y, which must not overlap.
void copy_rows(const void* x, void* y, const CopyShape& shape, Context& context);

/// sum[i] += term[i].
template <class T>
void accumulate(const T* term, T* sum, std::int64_t n, Context& context);

}  // namespace whisker::inline v0_1::kernels::cpu
