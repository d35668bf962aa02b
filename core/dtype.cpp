#include <whisker/core/dtype.h>

namespace whisker::inline v0_1 {

std::size_t size_of(Dtype dtype) {
  return dispatch_all(dtype, [](auto tag) { return sizeof(typename decltype(tag)::type); });
}

const char* name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
      return "float32";
    case Dtype::bfloat16:
      return "bfloat16";
    case Dtype::int32:
      return "int32";
    case Dtype::uint8:
      return "uint8";
    case Dtype::float64:
      return "float64";
  }
  throw Error("dtype: unknown value");
}

bool is_floating_point(Dtype dtype) {
  return dtype != Dtype::int32 && dtype != Dtype::uint8;
}

std::ostream& operator<<(std::ostream& out, Dtype dtype) {
  return out << name_of(dtype);
}

}  // namespace whisker::inline v0_1
