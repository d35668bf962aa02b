// Element types, and the step from a run-time Dtype to a compile-time type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>

#include <whisker/core/float16.h>
#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/check.h>

namespace whisker::inline v0_1 {

enum class Dtype {
  // Ops compute with the floating-point ones of these.
  float32,
  bfloat16,
  int32,
  uint8,
  float64,
  // Only stored: tensors of them are read, copied, saved and cast() from, and ops refuse them.
  boolean,  // a byte, true unless 0
  int8,
  int16,
  uint16,
  uint32,
  int64,
  uint64,
  float16,
  float8_e4m3,  // of Micikevicius et al. 2022: no infinities, one NaN
  float8_e5m2,
  float8_e8m0,      // powers of two
  float8_e4m3fnuz,  // of Noune et al. 2022: no infinities, one NaN in the place of -0
  float8_e5m2fnuz,
  complex64,  // two float32; there is no cast from it, nor from the packed ones
  float6_e2m3,
  float6_e3m2,
  float4_e2m1
};

int bits_of(Dtype dtype);             // per element
std::size_t size_of(Dtype dtype);     // bytes per element; throws Error for a fraction of a byte
const char* name_of(Dtype dtype);     // "float32"
bool is_floating_point(Dtype dtype);  // float32, bfloat16, float64: those that ops compute with
bool is_only_stored(Dtype dtype);     // boolean and those behind it
/// Bytes of so many elements; throws ShapeError unless they are a whole number.
std::size_t bytes_of(std::int64_t elements, Dtype dtype);
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
template <>
struct DtypeOf<std::int8_t> {
  static constexpr Dtype value = Dtype::int8;
};
template <>
struct DtypeOf<std::int16_t> {
  static constexpr Dtype value = Dtype::int16;
};
template <>
struct DtypeOf<std::uint16_t> {
  static constexpr Dtype value = Dtype::uint16;
};
template <>
struct DtypeOf<std::uint32_t> {
  static constexpr Dtype value = Dtype::uint32;
};
template <>
struct DtypeOf<std::int64_t> {
  static constexpr Dtype value = Dtype::int64;
};
template <>
struct DtypeOf<std::uint64_t> {
  static constexpr Dtype value = Dtype::uint64;
};
template <>
struct DtypeOf<float16> {
  static constexpr Dtype value = Dtype::float16;
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
      throw ShapeError(str(op,
                           ": wants a floating-point tensor, float32, bfloat16 or float64, got ",
                           dtype, "; cast() it first"));
  }
}

/// Calls body(TypeTag<T>) for a dtype of weights, float32 or float64; throws ShapeError otherwise.
template <class Body>
decltype(auto) dispatch_master(Dtype dtype, const char* op, Body&& body) {
  if (dtype == Dtype::float64) return body(TypeTag<double>{});
  check<ShapeError>(dtype == Dtype::float32, op, ": weights are float32 or float64, not ", dtype);
  return body(TypeTag<float>{});
}

/// Calls body(TypeTag<T>) for any dtype that is not only stored; throws ShapeError otherwise.
template <class Body>
decltype(auto) dispatch_all(Dtype dtype, Body&& body, const char* op = "dtype") {
  switch (dtype) {
    case Dtype::int32:
      return body(TypeTag<std::int32_t>{});
    case Dtype::uint8:
      return body(TypeTag<std::uint8_t>{});
    default:
      return dispatch_float(dtype, op, body);
  }
}

}  // namespace whisker::inline v0_1
