#include <algorithm>

#include <whisker/core/ops.h>

#include "catch.h"
#include "reference/broadcast.h"
#include "testing.h"

namespace whisker::testing {
namespace {

struct ReduceCase {
  const char* remark;
  Shape x;
  std::vector<int> axes;
};

const ReduceCase kSmall[] = {
    {"everything", {2, 3, 2}, {}},
    {"a scalar", {}, {}},
    {"the last axis", {2, 3, 4}, {-1}},
    {"the first axis", {3, 2, 2}, {0}},
    {"the middle", {2, 3, 4}, {1}},
    {"rows, as a bias gradient", {2, 2, 3, 3}, {0, 1, 2}},
    {"two separate runs", {2, 3, 2, 2, 3}, {0, 2, 3}},
    {"axes out of order", {2, 3, 4}, {2, 0}},
    {"axes of size 1", {1, 3, 1}, {0, 2}},
    {"six axes", {2, 1, 2, 1, 2, 2}, {1, -1}},
    {"an empty axis: sums of nothing", {2, 0, 3}, {1}},
    {"an empty result", {0, 3}, {1}},
};
const ReduceCase kLarge[] = {
    {"many chunks to one", {3, 33341}, {}}, {"many rows", {30000, 3}, {0}},
    {"short rows", {17011, 5}, {1}},        {"long rows", {3, 35021}, {1}},
    {"the middle", {4, 900, 33}, {1}},
};

Shape kept_shape(const ReduceCase& c) {
  Shape shape = c.x;
  for (int axis = 0; axis < c.x.rank(); ++axis)
    if (c.axes.empty() || std::count(c.axes.begin(), c.axes.end(), axis) ||
        std::count(c.axes.begin(), c.axes.end(), axis - c.x.rank()))
      shape = shape.with(axis, 1);
  return shape;
}

Shape result_shape(const ReduceCase& c, bool keep) {
  if (keep) return kept_shape(c);
  std::vector<std::int64_t> dims;
  for (int axis = 0; axis < c.x.rank(); ++axis)
    if (!c.axes.empty() && !std::count(c.axes.begin(), c.axes.end(), axis) &&
        !std::count(c.axes.begin(), c.axes.end(), axis - c.x.rank()))
      dims.push_back(c.x[axis]);
  return Shape(dims);
}

Array as_shape(Array a, const Shape& shape) {
  a.shape = shape;
  return a;
}

void check_sum(const ReduceCase& c, bool keep, Dtype dtype) {
  INFO(c.remark << (keep ? ", kept" : "") << ", " << dtype);
  check_multilinear_op(
      [&](const Tensors& in) { return sum(in[0], c.axes, keep); }, {random_tensor(c.x, dtype)},
      [&](const std::vector<Array>& in, const Array& dy) {
        const Shape kept = kept_shape(c);
        return std::vector<Array>{as_shape(reference::sum_to(in[0], kept), result_shape(c, keep)),
                                  reference::broadcast_to(as_shape(dy, kept), c.x)};
      });
}

}  // namespace

TEST_CASE("sum and its gradient equal the definition", "[reduce]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16}) {
    for (const ReduceCase& c : kSmall)
      for (const bool keep : {false, true})
        check_sum(c, keep, dtype);
    for (const ReduceCase& c : kLarge)
      check_sum(c, false, dtype);
  }
}

TEST_CASE("mean is the sum divided by the number of terms", "[reduce]") {
  for (const ReduceCase& c : kSmall) {
    if (c.x.numel() == 0) continue;
    INFO(c.remark);
    const double terms = static_cast<double>(c.x.numel() / kept_shape(c).numel());
    const Tensor x = random_tensor(c.x, Dtype::float64);
    Array expected =
        as_shape(reference::sum_to(to_array(x), kept_shape(c)), result_shape(c, false));
    for (double& value : expected.values)
      value /= terms;
    CHECK(mismatch(mean(x, c.axes), expected, elementwise_tolerance(Dtype::float64)) == "");
  }
}

TEST_CASE("the mean over some axes of an empty tensor is empty where no mean is left to take",
          "[reduce]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16}) {
    Tensor x = Tensor::zeros({0, 4, 4, 2}, dtype).set_requires_grad();
    const Tensor y = mean(x, {1, 2});
    CHECK(y.shape() == Shape{0, 2});
    CHECK(y.dtype() == Dtype::float32);
    CHECK(mean(x, {1, 2}, true).shape() == Shape{0, 1, 1, 2});
    sum(y).backward();
    CHECK(x.grad().shape() == x.shape());
  }
  // A mean of no elements is still refused: here of two, each of none.
  CHECK(shape_error_lacks({"mean", "[0,2]"}, [] { mean(Tensor::zeros({0, 2}), {0}); }) == "");
}

TEST_CASE("broadcast_to and sum_to are each other's adjoint", "[reduce]") {
  const std::pair<Shape, Shape> pairs[] = {
      {{3}, {2, 3}},          {{}, {2, 2}},           {{1, 3}, {4, 3}},
      {{2, 1, 2}, {2, 3, 2}}, {{1, 1}, {1, 1, 1, 1}}, {{2, 1, 1}, {3, 2, 4, 1}},
      {{1, 2}, {0, 2}},
  };
  for (const auto& [narrow, wide] : pairs) {
    INFO(narrow << " and " << wide);
    const Tensor x = random_tensor(narrow, Dtype::float64, 1);
    const Tensor y = random_tensor(wide, Dtype::float64, 2);
    CHECK(mismatch(broadcast_to(x, wide), reference::broadcast_to(to_array(x), wide), kExact) ==
          "");
    CHECK(mismatch(sum_to(y, narrow), reference::sum_to(to_array(y), narrow),
                   elementwise_tolerance(Dtype::float64)) == "");
    CHECK(gradcheck([&](const Tensors& in) { return broadcast_to(in[0], wide); }, {x}) == "");
    CHECK(gradcheck([&](const Tensors& in) { return sum_to(in[0], narrow); }, {y}) == "");
    CHECK(gradgradcheck([&](const Tensors& in) { return square(broadcast_to(in[0], wide)); },
                        {x}) == "");
    CHECK(gradgradcheck([&](const Tensors& in) { return square(sum_to(in[0], narrow)); }, {y}) ==
          "");
  }
}

TEST_CASE("sums and means are differentiable twice", "[reduce][gradcheck]") {
  for (const ReduceCase& c : kSmall) {
    INFO(c.remark);
    const Tensors x{random_tensor(c.x, Dtype::float64)};
    const Function summed = [&](const Tensors& in) { return square(sum(in[0], c.axes)); };
    CHECK(gradcheck(summed, x) == "");
    CHECK(gradgradcheck(summed, x) == "");
    if (c.x.numel() == 0) continue;
    const Function averaged = [&](const Tensors& in) { return square(mean(in[0], c.axes)); };
    CHECK(gradcheck(averaged, x) == "");
    CHECK(gradgradcheck(averaged, x) == "");
  }
}

TEST_CASE("a sum of many equal terms does not drift", "[reduce]") {
  // In float32 a running sum of 0.1 stops at 2^21; in double it is right to the last digit.
  const Tensor x = Tensor::full({2'500'000, 16}, 0.1f);
  CHECK(sum(x).item() == Approx(40'000'000 * static_cast<double>(0.1f)).epsilon(1e-7));
}

TEST_CASE("sums of bfloat16 tensors are float32", "[reduce]") {
  CHECK(sum(Tensor::zeros({2, 3}, Dtype::bfloat16), {1}).dtype() == Dtype::float32);
  // Also where nothing is there to be summed.
  CHECK(sum(Tensor::zeros({}, Dtype::bfloat16)).dtype() == Dtype::float32);
}

TEST_CASE("errors of reductions name shapes and axes", "[reduce][errors]") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK(shape_error_lacks({"axis 2", "[2,3]"}, [&] { sum(x, {2}); }) == "");
  CHECK(shape_error_lacks({"axis -3", "[2,3]"}, [&] { sum(x, {-3}); }) == "");
  CHECK(shape_error_lacks({"axis -1", "[2,3]", "twice"}, [&] { sum(x, {1, -1}); }) == "");
  CHECK(shape_error_lacks({"mean", "[0,3]"}, [&] { mean(Tensor::zeros({0, 3})); }) == "");
  CHECK(shape_error_lacks({"int32"}, [&] { sum(Tensor::zeros({2}, Dtype::int32)); }) == "");
  CHECK(shape_error_lacks({"broadcast_to", "[2,3]", "[2,4]"}, [&] {
          broadcast_to(x, {2, 4});
        }) == "");
  CHECK(shape_error_lacks({"broadcast_to", "[2,3]", "[3]"}, [&] { broadcast_to(x, {3}); }) == "");
  CHECK(shape_error_lacks({"sum_to", "[2,3]", "[2]"}, [&] { sum_to(x, {2}); }) == "");
  CHECK(shape_error_lacks({"sum_to", "[3]", "[2,3]"}, [&] { sum_to(sum(x, {0}), {2, 3}); }) == "");
}

}  // namespace whisker::testing
