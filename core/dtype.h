// Element types, and the step from a run-time Dtype to a compile-time type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/check.h>

namespace whisker::inline v0_1 {

enum class Dtype { float32, bfloat16, int32, uint8, float64 };

std::size_t size_of(Dtype dtype);     // bytes per element
const char* name_of(Dtype dtype);     // "float32"
bool is_floating_point(Dtype dtype);  // float32, bfloat16, float64
std::ostream& operator<<(std::ostream& out, Dtype dtype);

template <class T>
struct DtypeOf;
template <>
struct DtypeOf<float> {
  static constexpr Dtype value = Dtype::float32;
};
template <>
struct DtypeOf<bfloat16> {
  static constexpr Dtype value = Dtype::bfloat16;
};
template <>
struct DtypeOf<std::int32_t> {
  static constexpr Dtype value = Dtype::int32;
};
template <>
struct DtypeOf<std::uint8_t> {
  static constexpr Dtype value = Dtype::uint8;
};
template <>
struct DtypeOf<double> {
  static constexpr Dtype value = Dtype::float64;
};
template <class T>
inline constexpr Dtype dtype_of = DtypeOf<T>::value;

template <class T>
struct TypeTag {
  using type = T;
};

/// Calls body(TypeTag<T>) for a floating-point dtype; throws ShapeError that names `op` otherwise.
template <class Body>
decltype(auto) dispatch_float(Dtype dtype, const char* op, Body&& body) {
  switch (dtype) {
    case Dtype::float32:
      return body(TypeTag<float>{});
    case Dtype::bfloat16:
      return body(TypeTag<bfloat16>{});
    case Dtype::float64:
      return body(TypeTag<double>{});
    default:
      throw ShapeError(str(op, ": wants a floating-point tensor, got ", dtype));
  }
}

/// Calls body(TypeTag<T>) for a dtype of weights, float32 or float64; throws ShapeError otherwise.
template <class Body>
decltype(auto) dispatch_master(Dtype dtype, const char* op, Body&& body) {
  if (dtype == Dtype::float64) return body(TypeTag<double>{});
  check<ShapeError>(dtype == Dtype::float32, op, ": weights are float32 or float64, not ", dtype);
  return body(TypeTag<float>{});
}

/// Calls body(TypeTag<T>) for any dtype.
template <class Body>
decltype(auto) dispatch_all(Dtype dtype, Body&& body) {
  switch (dtype) {
    case Dtype::int32:
      return body(TypeTag<std::int32_t>{});
    case Dtype::uint8:
      return body(TypeTag<std::uint8_t>{});
    default:
      return dispatch_float(dtype, "dtype", body);
  }
}

}  // namespace whisker::inline v0_1
