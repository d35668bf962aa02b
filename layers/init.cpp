#include <cmath>

#include <whisker/layers/init.h>

namespace whisker::inline v0_1::nn {

Tensor Init::truncated_normal(const Shape& shape, float stddev) {
  check(std::isfinite(stddev) && stddev >= 0.0f, "truncated_normal: a standard deviation of ",
        stddev);
  return random_truncated_normal(shape, 0.0f, stddev, draws_);
}

Tensor Init::glorot_uniform(const Shape& shape) {
  check<ShapeError>(shape.rank() == 2, "glorot_uniform: wants a weight [out,in], got ", shape);
  check<ShapeError>(shape.numel() > 0, "glorot_uniform: ", shape, " is empty");
  const auto limit = static_cast<float>(std::sqrt(6.0 / static_cast<double>(shape[0] + shape[1])));
  return random_uniform(shape, -limit, limit, draws_);
}

Tensor parameter(Tensor values) {
  return values.set_requires_grad();
}

}  // namespace whisker::inline v0_1::nn
