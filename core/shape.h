// The dimensions of a tensor.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include <whisker/kernels/check.h>

namespace whisker::inline v0_1 {

/// Up to six non-negative dimensions, outermost first; no dimensions at all is a scalar.
/// Throws ShapeError for more dimensions, a negative one, or more than 2^62 elements.
class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  std::int64_t numel() const { return numel_; }

  /// The size along an axis; negative axes count from the last (-1).
  std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(index(axis))]; }

  /// Maps an axis in [-rank, rank) to [0, rank); throws ShapeError for others.
  int index(int axis) const;

  const std::int64_t* begin() const { return dims_.data(); }
  const std::int64_t* end() const { return dims_.data() + rank_; }

  /// This shape with the size along one axis replaced.
  Shape with(int axis, std::int64_t size) const;

  std::string to_string() const;  // "[8,32,32,3]"

  friend bool operator==(const Shape& a, const Shape& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
  std::int64_t numel_ = 1;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// The shape that two shapes broadcast to by NumPy's rule; throws ShapeError that names `op`.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op);

}  // namespace whisker::inline v0_1
