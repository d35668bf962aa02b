#include <algorithm>
#include <cmath>
#include <limits>

#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/cast.h>
#include <whisker/kernels/cpu/elementwise.h>
#include <whisker/kernels/cuda/elementwise.h>

namespace whisker::inline v0_1 {
namespace {

/// Eight bits: a sign, an exponent and a mantissa, without the values that stand for something
/// else.
float minifloat(unsigned byte, int mantissa_bits, int bias) {
  const int exponent = static_cast<int>(byte & 0x7Fu) >> mantissa_bits;
  const int one = 1 << mantissa_bits, mantissa = static_cast<int>(byte) & (one - 1);
  const int digits = exponent == 0 ? mantissa : one + mantissa;
  const float magnitude =
      std::ldexp(static_cast<float>(digits), std::max(exponent, 1) - bias - mantissa_bits);
  return byte & 0x80u ? -magnitude : magnitude;
}

float float8(Dtype dtype, unsigned byte) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const unsigned magnitude = byte & 0x7Fu;
  switch (dtype) {
    case Dtype::float8_e4m3:
      return magnitude == 0x7F ? kNan : minifloat(byte, 3, 7);
    case Dtype::float8_e5m2:
      if (magnitude > 0x7C) return kNan;
      if (magnitude == 0x7C) return byte & 0x80u ? -kInfinity : kInfinity;
      return minifloat(byte, 2, 15);
    case Dtype::float8_e4m3fnuz:
      return byte == 0x80 ? kNan : minifloat(byte, 3, 8);
    case Dtype::float8_e5m2fnuz:
      return byte == 0x80 ? kNan : minifloat(byte, 2, 16);
    default:
      return byte == 0xFF ? kNan : std::ldexp(1.0f, static_cast<int>(byte) - 127);
  }
}

/// y[i] = value(x[i]), through float where y is bfloat16.
template <class From, class Value>
void convert(const Tensor& x, Tensor& y, const Value& value) {
  dispatch_float(y.dtype(), "cast", [&](auto tag) {
    using To = typename decltype(tag)::type;
    const auto* from = reinterpret_cast<const From*>(x.raw_data());
    To* to = y.mutable_data<To>();
    for (std::int64_t i = 0; i < x.numel(); ++i)
      to[i] = To(static_cast<compute_type<To>>(value(from[i])));
  });
}

template <class T>
void convert_number(const Tensor& x, Tensor& y) {
  convert<T>(x, y, [](T value) { return value; });
}

/// From a dtype that is only stored, on the host: it happens once, to what was read from a file.
Tensor cast_stored(const Tensor& source, Dtype dtype) {
  check<ShapeError>(is_floating_point(dtype), "cast: wants a floating-point dtype to cast to, not ",
                    dtype);
  check<ShapeError>(dtype != Dtype::float64 || source.device() == Device::cpu(),
                    "cast: float64 is for the CPU; cast to float32 or move x there");
  const Tensor x = source.to(Device::cpu());
  Tensor y = Tensor::empty(x.shape(), dtype, Device::cpu());
  switch (x.dtype()) {
    case Dtype::boolean:
      convert<std::uint8_t>(x, y, [](std::uint8_t value) { return value != 0 ? 1 : 0; });
      break;
    case Dtype::int8:
      convert_number<std::int8_t>(x, y);
      break;
    case Dtype::int16:
      convert_number<std::int16_t>(x, y);
      break;
    case Dtype::uint16:
      convert_number<std::uint16_t>(x, y);
      break;
    case Dtype::uint32:
      convert_number<std::uint32_t>(x, y);
      break;
    case Dtype::int64:
      convert_number<std::int64_t>(x, y);
      break;
    case Dtype::uint64:
      convert_number<std::uint64_t>(x, y);
      break;
    case Dtype::float16:
      convert<float16>(x, y, [](float16 value) { return static_cast<float>(value); });
      break;
    case Dtype::float8_e4m3:
    case Dtype::float8_e5m2:
    case Dtype::float8_e8m0:
    case Dtype::float8_e4m3fnuz:
    case Dtype::float8_e5m2fnuz:
      convert<std::uint8_t>(x, y, [&](std::uint8_t value) { return float8(x.dtype(), value); });
      break;
    default:
      throw ShapeError(str("cast: there is no conversion from ", x.dtype(), " to ", dtype));
  }
  return y.to(source.device());
}

}  // namespace

Tensor cast(const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  if (is_only_stored(x.dtype())) return cast_stored(x, dtype);
  Tensor y = Tensor::empty(x.shape(), dtype, x.device());
  dispatch_all("cast", x, [&](auto from, auto& context) {
    dispatch_float("cast", y, [&](auto to, auto&) {
      using From = typename decltype(from)::type;
      using To = typename decltype(to)::type;
      if constexpr (serves<To, std::remove_reference_t<decltype(context)>>)
        cast(x.kernel_data<From>(), y.kernel_mutable_data<To>(), x.numel(), context);
    });
  });
  if (!must_record({x})) return y;
  return record(y, "cast", {x},
                [from = x.dtype()](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
                  return {cast(dy, from)};
                });
}

}  // namespace whisker::inline v0_1
