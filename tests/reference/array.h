// What the naive definitions compute with: a shape and doubles.
#pragma once

#include <vector>

#include <whisker/core/shape.h>

namespace whisker::reference {

struct Array {
  Shape shape;
  std::vector<double> values;

  explicit Array(const Shape& s, double value = 0.0)
      : shape(s), values(static_cast<std::size_t>(s.numel()), value) {}

  double& operator[](std::int64_t i) { return values.at(static_cast<std::size_t>(i)); }
  double operator[](std::int64_t i) const { return values.at(static_cast<std::size_t>(i)); }
};

}  // namespace whisker::reference
