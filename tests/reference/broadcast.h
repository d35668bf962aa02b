// NumPy's broadcasting, and sums over axes, by index arithmetic on every element.
#pragma once

#include <algorithm>
#include <functional>

#include "reference/array.h"

namespace whisker::reference {

/// The index into an array of shape `from` of the element that is repeated at flat index i of `to`.
inline std::int64_t broadcast_index(std::int64_t i, const Shape& to, const Shape& from) {
  std::int64_t index = 0, stride = 1;
  for (int axis = 1; axis <= to.rank(); ++axis) {
    const std::int64_t size = to.end()[-axis], position = i % size;
    i /= size;
    if (axis > from.rank()) continue;
    if (from.end()[-axis] != 1) index += position * stride;
    stride *= from.end()[-axis];
  }
  return index;
}

inline Shape broadcast_shape(const Shape& a, const Shape& b) {
  std::vector<std::int64_t> dims;
  for (int axis = std::max(a.rank(), b.rank()); axis >= 1; --axis) {
    const std::int64_t da = axis <= a.rank() ? a[-axis] : 1, db = axis <= b.rank() ? b[-axis] : 1;
    dims.push_back(da == 1 ? db : da);
  }
  return Shape(dims);
}

inline Array broadcast_to(const Array& x, const Shape& shape) {
  if (x.shape == shape) return x;
  Array y(shape);
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    y[i] = x[broadcast_index(i, shape, x.shape)];
  return y;
}

/// The adjoint of broadcast_to.
inline Array sum_to(const Array& x, const Shape& shape) {
  Array y(shape);
  for (std::int64_t i = 0; i < x.shape.numel(); ++i)
    y[broadcast_index(i, x.shape, shape)] += x[i];
  return y;
}

inline Array map(const Array& a, const std::function<double(double)>& f) {
  Array y(a.shape);
  std::transform(a.values.begin(), a.values.end(), y.values.begin(), f);
  return y;
}

/// f(a, b) with broadcasting.
inline Array map(const Array& a, const Array& b, const std::function<double(double, double)>& f) {
  const Shape shape = broadcast_shape(a.shape, b.shape);
  const Array wide_a = broadcast_to(a, shape), wide_b = broadcast_to(b, shape);
  Array y(shape);
  for (std::int64_t i = 0; i < shape.numel(); ++i)
    y[i] = f(wide_a[i], wide_b[i]);
  return y;
}

}  // namespace whisker::reference
