#include <whisker/core/shape.h>

namespace whisker::inline v0_1 {

Shape::Shape(std::span<const std::int64_t> dims) {
  check<ShapeError>(dims.size() <= kMaxRank, "shape: ", dims.size(), " dimensions, at most ",
                    kMaxRank, " are supported");
  // Zero is left out of the product so that [0, huge, huge] cannot overflow either.
  constexpr std::int64_t kMaxElements = std::int64_t{1} << 62;
  std::int64_t product = 1;
  bool empty = false;
  for (const std::int64_t dim : dims) {
    check<ShapeError>(dim >= 0, "shape: negative dimension ", dim);
    dims_[static_cast<std::size_t>(rank_++)] = dim;
    empty = empty || dim == 0;
    if (dim == 0) continue;
    check<ShapeError>(product <= kMaxElements / dim, "shape: more than 2^62 elements");
    product *= dim;
  }
  numel_ = empty ? 0 : product;
}

int Shape::index(int axis) const {
  check<ShapeError>(axis >= -rank_ && axis < rank_, "shape: axis ", axis, " of ", to_string());
  return axis < 0 ? axis + rank_ : axis;
}

Shape Shape::with(int axis, std::int64_t size) const {
  std::array<std::int64_t, kMaxRank> dims = dims_;
  dims[static_cast<std::size_t>(index(axis))] = size;
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank_)));
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (const std::int64_t dim : *this)
    text += (text.size() > 1 ? "," : "") + std::to_string(dim);
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  return out << shape.to_string();
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  for (int i = 1; i <= rank; ++i) {
    const std::int64_t da = i <= a.rank() ? a[-i] : 1, db = i <= b.rank() ? b[-i] : 1;
    check<ShapeError>(da == db || da == 1 || db == 1, op, ": shapes ", a, " and ", b,
                      " do not broadcast: sizes ", da, " and ", db, " differ and neither is 1");
    dims[static_cast<std::size_t>(rank - i)] = da == 1 ? db : da;
  }
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank)));
}

}  // namespace whisker::inline v0_1
