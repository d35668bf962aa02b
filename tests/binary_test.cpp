#include <cmath>

#include <whisker/core/ops.h>

#include "catch.h"
#include "reference/broadcast.h"
#include "reference/elementwise.h"
#include "testing.h"

namespace whisker::testing {
namespace {

using Value = double (*)(double a, double b);

struct BinaryOp {
  const char* name;
  Tensor (*op)(const Tensor& a, const Tensor& b);
  Value value, da, db;
};

const BinaryOp kOps[] = {
    {"add", add, [](double a, double b) { return a + b; }, [](double, double) { return 1.0; },
     [](double, double) { return 1.0; }},
    {"sub", sub, [](double a, double b) { return a - b; }, [](double, double) { return 1.0; },
     [](double, double) { return -1.0; }},
    {"mul", mul, [](double a, double b) { return a * b; }, [](double, double b) { return b; },
     [](double a, double) { return a; }},
    {"div", div, [](double a, double b) { return a / b; }, [](double, double b) { return 1.0 / b; },
     [](double a, double b) { return -a / (b * b); }},
    {"sigmoid_cross_entropy_with_logits", sigmoid_cross_entropy_with_logits,
     reference::sigmoid_cross_entropy, [](double x, double z) { return reference::sigmoid(x) - z; },
     [](double x, double) { return -x; }},
};

struct ShapePair {
  const char* remark;
  Shape a, b;
};

const ShapePair kSmall[] = {
    {"equal shapes", {2, 3}, {2, 3}},
    {"scalars", {}, {}},
    {"a scalar on the right", {2, 3}, {}},
    {"a scalar on the left", {}, {2, 3}},
    {"a bias per channel", {2, 2, 2, 3}, {3}},
    {"rows by columns", {3, 1}, {1, 4}},
    {"one value per image", {2, 1, 1, 1}, {2, 2, 3, 1}},
    {"broadcast in the middle", {2, 3, 2}, {2, 1, 2}},
    {"broadcast on both sides in turns", {1, 3, 1, 2}, {2, 1, 3, 1}},
    {"six dimensions", {1, 2, 1, 2, 1, 2}, {2, 1, 2, 1, 2, 1}},
    {"empty", {0, 3}, {3}},
    {"empty by broadcasting", {1, 3}, {0, 1}},
};
const ShapePair kLarge[] = {
    {"more than one thread's share", {2, 16385}, {2, 16385}},
    {"rows", {40, 501}, {501}},
    {"columns", {40, 501}, {40, 1}},
    {"short rows", {9000, 3}, {3}},
};

Tensors arguments(const ShapePair& s, Dtype dtype) {
  // The second argument is a divisor in one of the ops: not near zero.
  return {random_tensor(s.a, dtype, 1, -2.0f, 2.0f), random_tensor(s.b, dtype, 2, 0.5f, 1.5f)};
}

Array weighted(const Array& dy, const std::vector<Array>& in, Value f, const Shape& shape) {
  const Array slope = reference::map(in[0], in[1], f);
  return reference::sum_to(reference::map(dy, slope, [](double a, double b) { return a * b; }),
                           shape);
}

void check_binary(const BinaryOp& op, const ShapePair& s, Dtype dtype) {
  INFO(op.name << ", " << s.remark << ", " << dtype);
  // A broadcast argument's gradient is a sum of up to 20000 terms, each rounded to the dtype.
  const bool rounded_sum = s.a.numel() + s.b.numel() > 1000 || dtype == Dtype::bfloat16;
  Tolerance gradient = rounded_sum ? product_tolerance(dtype) : elementwise_tolerance(dtype);
  check_op([&](const Tensors& in) { return op.op(in[0], in[1]); }, arguments(s, dtype),
           [&](const std::vector<Array>& in, const Array& dy) {
             return std::vector<Array>{reference::map(in[0], in[1], op.value),
                                       weighted(dy, in, op.da, in[0].shape),
                                       weighted(dy, in, op.db, in[1].shape)};
           },
           elementwise_tolerance(dtype), gradient);
}

}  // namespace

TEST_CASE("arithmetic with broadcasting and its gradients equal the definition", "[binary]") {
  for (const BinaryOp& op : kOps)
    for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
      for (const ShapePair& s : kSmall)
        check_binary(op, s, dtype);
      for (const ShapePair& s : kLarge)
        check_binary(op, s, dtype);
    }
}

TEST_CASE("arithmetic on bfloat16 equals the definition", "[binary][bfloat16]") {
  for (const BinaryOp& op : kOps)
    for (const ShapePair& s : kSmall)
      check_binary(op, s, Dtype::bfloat16);
}

TEST_CASE("arithmetic's backward is the derivative of its forward, twice", "[binary][gradcheck]") {
  for (const BinaryOp& op : kOps)
    for (const ShapePair& s : kSmall) {
      INFO(op.name << ", " << s.remark);
      const Function f = [&](const Tensors& in) { return op.op(in[0], in[1]); };
      CHECK(gradcheck(f, arguments(s, Dtype::float64)) == "");
      CHECK(gradgradcheck(f, arguments(s, Dtype::float64)) == "");
    }
}

TEST_CASE("the operators are the functions", "[binary]") {
  const Tensor a = random_tensor({2, 3}, Dtype::float32, 1);
  const Tensor b = random_tensor({3}, Dtype::float32, 2, 0.5f, 1.0f);
  CHECK(same_bits(a + b, add(a, b)));
  CHECK(same_bits(a - b, sub(a, b)));
  CHECK(same_bits(a * b, mul(a, b)));
  CHECK(same_bits(a / b, div(a, b)));
  CHECK(same_bits(3.0 * a, affine(a, 3.0, 0.0)));
  CHECK(same_bits(a * 3.0, scale(a, 3.0)));
  CHECK(same_bits(a + 3.0, affine(a, 1.0, 3.0)));
  CHECK(same_bits(a - 3.0, affine(a, 1.0, -3.0)));
  CHECK(same_bits(-a, affine(a, -1.0, 0.0)));
}

TEST_CASE("sigmoid cross-entropy is finite for any logit", "[binary]") {
  Tensor logits = Tensor::from(std::vector<float>{-1e30f, -200.0f, 200.0f, 1e30f}, {4});
  logits.set_requires_grad();
  for (const float label : {0.0f, 1.0f}) {
    const Tensor labels = Tensor::full({4}, label);
    const Tensor loss = sigmoid_cross_entropy_with_logits(logits, labels);
    const Array expected = reference::map(to_array(logits), [&](double x) {
      return label > 0.0f ? std::max(-x, 0.0) : std::max(x, 0.0);
    });
    CHECK(mismatch(loss, expected, elementwise_tolerance(Dtype::float32)) == "");
    const Tensor slope = gradients(sum(loss), {logits}).front();
    for (std::int64_t i = 0; i < 4; ++i)
      CHECK(element(slope, i) == Approx((i < 2 ? 0.0 : 1.0) - label).margin(1e-30));
  }
}

TEST_CASE("arithmetic's shape errors name both shapes", "[binary][errors]") {
  for (const BinaryOp& op : kOps) {
    CHECK(shape_error_lacks({op.name, "[2,3]", "[2,4]", "3 and 4"}, [&] {
            op.op(Tensor::zeros({2, 3}), Tensor::zeros({2, 4}));
          }) == "");
    CHECK(shape_error_lacks({op.name, "float32", "bfloat16"}, [&] {
            op.op(Tensor::zeros({2}), Tensor::zeros({2}, Dtype::bfloat16));
          }) == "");
    CHECK(shape_error_lacks({op.name, "uint8"}, [&] {
            op.op(Tensor::zeros({2}, Dtype::uint8), Tensor::zeros({2}, Dtype::uint8));
          }) == "");
  }
}

}  // namespace whisker::testing
