#include <array>
#include <limits>

#include <whisker/core/dtype.h>

namespace whisker::inline v0_1 {
namespace {

struct Description {
  const char* name;
  int bits;
};

// In the order of Dtype.
constexpr std::array<Description, 22> kDescriptions{
    {{"float32", 32},    {"bfloat16", 16},       {"int32", 32},
     {"uint8", 8},       {"float64", 64},        {"bool", 8},
     {"int8", 8},        {"int16", 16},          {"uint16", 16},
     {"uint32", 32},     {"int64", 64},          {"uint64", 64},
     {"float16", 16},    {"float8_e4m3", 8},     {"float8_e5m2", 8},
     {"float8_e8m0", 8}, {"float8_e4m3fnuz", 8}, {"float8_e5m2fnuz", 8},
     {"complex64", 64},  {"float6_e2m3", 6},     {"float6_e3m2", 6},
     {"float4_e2m1", 4}}};

const Description& describe(Dtype dtype) {
  const auto index = static_cast<std::size_t>(dtype);
  check(index < kDescriptions.size(), "dtype: unknown value ", index);
  return kDescriptions[index];
}

}  // namespace

int bits_of(Dtype dtype) {
  return describe(dtype).bits;
}

std::size_t size_of(Dtype dtype) {
  const int bits = bits_of(dtype);
  check(bits % 8 == 0, "dtype: an element of ", dtype, " takes ", bits, " bits, no whole byte");
  return static_cast<std::size_t>(bits / 8);
}

const char* name_of(Dtype dtype) {
  return describe(dtype).name;
}

bool is_floating_point(Dtype dtype) {
  return dtype == Dtype::float32 || dtype == Dtype::bfloat16 || dtype == Dtype::float64;
}

bool is_only_stored(Dtype dtype) {
  return dtype >= Dtype::boolean;
}

std::size_t bytes_of(std::int64_t elements, Dtype dtype) {
  const auto n = static_cast<std::uint64_t>(elements), bits = std::uint64_t(bits_of(dtype));
  check<ShapeError>(n % 8 * bits % 8 == 0, "dtype: ", elements, " elements of ", dtype, " take ",
                    bits, " bits each, no whole number of bytes");
  return n / 8 * bits + n % 8 * bits / 8;
}

std::ostream& operator<<(std::ostream& out, Dtype dtype) {
  return out << name_of(dtype);
}

}  // namespace whisker::inline v0_1
