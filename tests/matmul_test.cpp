#include "reference/matmul.h"

#include <cfenv>

#include <whisker/core/ops.h>
#include <whisker/kernels/cpu/implementations.h>

#include "catch.h"
#include "reference/conv2d.h"
#include "testing.h"

namespace whisker::testing {
namespace {

struct MatmulCase {
  const char* remark;
  std::int64_t m, n, k;
};

const MatmulCase kSmall[] = {
    {"one by one", 1, 1, 1},
    {"odd sizes", 3, 5, 7},
    {"an outer product", 4, 3, 1},
    {"an inner product", 1, 1, 9},
    {"a row", 1, 6, 4},
    {"a column", 6, 1, 4},
    {"no rows", 0, 3, 2},
    {"a sum of nothing", 2, 3, 0},
};
const MatmulCase kLarge[] = {
    {"blocks", 64, 128, 96},
    {"remainders of blocks", 33, 71, 101},
    {"dense layer of the discriminator", 8, 1, 4096},
    {"dense layer of the generator", 2, 2048, 100},
};

Tensors factors(const MatmulCase& c, const MatmulOptions& o, Dtype dtype) {
  return {random_tensor(o.transpose_a ? Shape{c.k, c.m} : Shape{c.m, c.k}, dtype, 1),
          random_tensor(o.transpose_b ? Shape{c.n, c.k} : Shape{c.k, c.n}, dtype, 2)};
}

template <class Body>
void for_each_orientation(const Body& body) {
  for (const bool transpose_a : {false, true})
    for (const bool transpose_b : {false, true})
      body(MatmulOptions{.transpose_a = transpose_a, .transpose_b = transpose_b});
}

void check_matmul(const MatmulCase& c, Dtype dtype) {
  for_each_orientation([&](const MatmulOptions& o) {
    INFO(c.remark << ", " << dtype << ", transposes " << o.transpose_a << o.transpose_b);
    const auto oriented = [](const Array& a, bool transposed) {
      return transposed ? reference::transpose(a) : a;
    };
    check_multilinear_op(
        [&](const Tensors& in) { return matmul(in[0], in[1], o); }, factors(c, o, dtype),
        [&](const std::vector<Array>& in, const Array& dy) {
          const Array a = oriented(in[0], o.transpose_a), b = oriented(in[1], o.transpose_b);
          const Array da = reference::matmul(dy, reference::transpose(b));
          const Array db = reference::matmul(reference::transpose(a), dy);
          return std::vector<Array>{reference::matmul(a, b), oriented(da, o.transpose_a),
                                    oriented(db, o.transpose_b)};
        });
  });
}

std::vector<Array> dense_reference(const std::vector<Array>& in, const Array& dy) {
  return {add_bias(reference::matmul(in[0], reference::transpose(in[1])), in[2]),
          reference::matmul(dy, in[1]), reference::matmul(reference::transpose(dy), in[0]),
          reference::bias_gradient(dy)};
}

const Function kDense = [](const Tensors& in) { return dense(in[0], in[1], in[2]); };

}  // namespace

TEST_CASE("matmul and its gradients equal the definition in every orientation", "[matmul]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    for (const MatmulCase& c : kSmall)
      check_matmul(c, dtype);
    for (const MatmulCase& c : kLarge)
      check_matmul(c, dtype);
  }
}

TEST_CASE("matmul and its gradients equal the definition in bfloat16", "[matmul][bfloat16]") {
  if (!kernels::cpu::has_native_bfloat16()) SKIP("this CPU has no bfloat16 arithmetic");
  for (const MatmulCase& c : kSmall)
    check_matmul(c, Dtype::bfloat16);
  for (const MatmulCase& c : kLarge)
    check_matmul(c, Dtype::bfloat16);
}

TEST_CASE("matmul's backward is the derivative of its forward, twice", "[matmul][gradcheck]") {
  for_each_orientation([](const MatmulOptions& o) {
    const Function f = [&](const Tensors& in) { return matmul(in[0], in[1], o); };
    const Function squared = [&](const Tensors& in) { return square(f(in)); };
    for (const MatmulCase& c : kSmall) {
      INFO(c.remark << ", transposes " << o.transpose_a << o.transpose_b);
      CHECK(gradcheck(f, factors(c, o, Dtype::float64)) == "");
      CHECK(gradgradcheck(squared, factors(c, o, Dtype::float64)) == "");
    }
    CHECK(gradcheck_along_line(squared, factors(kLarge[1], o, Dtype::float64)) == "");
  });
}

TEST_CASE("dense and its gradients equal the definition", "[matmul][dense]") {
  const auto inputs = [](std::int64_t batch, std::int64_t in, std::int64_t out, Dtype dtype) {
    return Tensors{random_tensor({batch, in}, dtype, 1), random_tensor({out, in}, dtype, 2),
                   random_tensor({out}, dtype, 3)};
  };
  for (const Dtype dtype : {Dtype::float32, Dtype::float64}) {
    check_multilinear_op(kDense, inputs(3, 7, 5, dtype), dense_reference);
    check_multilinear_op(kDense, inputs(2, 100, 1024, dtype), dense_reference);
    check_multilinear_op(kDense, inputs(0, 4, 3, dtype), dense_reference);
  }
  CHECK(gradcheck(kDense, inputs(2, 3, 4, Dtype::float64)) == "");
  CHECK(gradgradcheck(kDense, inputs(2, 3, 4, Dtype::float64)) == "");
}

TEST_CASE("dense serves bfloat16 activations with float32 weights", "[matmul][dense][bfloat16]") {
  if (!kernels::cpu::has_native_bfloat16()) SKIP("this CPU has no bfloat16 arithmetic");
  const Tensors in{random_tensor({4, 50}, Dtype::bfloat16, 1),
                   cast(random_tensor({20, 50}, Dtype::bfloat16, 2), Dtype::float32),
                   cast(random_tensor({20}, Dtype::bfloat16, 3), Dtype::float32)};
  // The product is rounded to bfloat16 before the bias is added, and so is the sum.
  const Tolerance tolerance = product_tolerance(Dtype::bfloat16);
  check_op(kDense, in, dense_reference, tolerance, tolerance);
  const Tensors leaves = leaves_of(in);
  CHECK(kDense(leaves).dtype() == Dtype::bfloat16);
  CHECK(gradients(sum(kDense(leaves)), leaves)[1].dtype() == Dtype::float32);
}

TEST_CASE("matmul does not compute the gradient of a frozen factor", "[matmul]") {
  // a * dy overflows and b * dy does not, so the flag tells whether db was computed.
  for (const bool frozen : {false, true}) {
    Tensor a = Tensor::full({2, 3}, 1e200, Dtype::float64).set_requires_grad();
    Tensor b = Tensor::full({3, 2}, 1e-200, Dtype::float64).set_requires_grad(!frozen);
    const Tensor loss = sum(matmul(a, b) * 1e200);
    std::feclearexcept(FE_ALL_EXCEPT);
    loss.backward();
    CHECK((std::fetestexcept(FE_OVERFLOW) != 0) == !frozen);
    CHECK(a.grad().defined());
    CHECK(b.grad().defined() == !frozen);
  }
}

TEST_CASE("the shape errors of matmul and dense name both shapes", "[matmul][errors]") {
  const Tensor a = Tensor::zeros({2, 3}), b = Tensor::zeros({4, 5});
  CHECK(shape_error_lacks({"matmul", "[2,3]", "[4,5]"}, [&] { matmul(a, b); }) == "");
  CHECK(shape_error_lacks({"[2,3] transposed", "[4,5]"},
                          [&] { matmul(a, b, {.transpose_a = true}); }) == "");
  CHECK(shape_error_lacks({"[2,3]", "[3]"}, [&] { matmul(a, Tensor::zeros({3})); }) == "");
  CHECK(shape_error_lacks({"float32", "float64"}, [&] { matmul(a, cast(b, Dtype::float64)); }) ==
        "");
  CHECK(shape_error_lacks({"dense", "[4,5]", "[2,3]"}, [&] { dense(a, b, Tensor()); }) == "");
  CHECK(shape_error_lacks({"dense", "[4,3]", "[3]"}, [&] {
          dense(a, Tensor::zeros({4, 3}), Tensor::zeros({3}));
        }) == "");
}

}  // namespace whisker::testing
