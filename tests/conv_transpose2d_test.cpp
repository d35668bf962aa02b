#include <whisker/core/ops.h>
#include <whisker/kernels/cpu/implementations.h>

#include "catch.h"
#include "reference/conv2d.h"
#include "shapes.h"
#include "testing.h"

namespace whisker::testing {
namespace {

Tensors transposed_inputs(const ConvCase& c, Dtype dtype) {
  const Dtype weights = dtype == Dtype::bfloat16 ? Dtype::float32 : dtype;
  return {random_tensor(c.x, dtype, 1), cast(random_tensor(c.weight, dtype, 2), weights),
          cast(random_tensor({c.weight[3]}, dtype, 3), weights)};
}

Function transposed(const ConvCase& c) {
  return [&c](const Tensors& in) { return conv_transpose2d(in[0], in[1], in[2], c.options); };
}

void check_transposed(const ConvCase& c, Dtype dtype) {
  INFO(c.remark << ", " << dtype);
  const kernels::Conv2dShape s = conv_transpose2d_shape(c.x, c.weight, c.options);
  check_multilinear_op(transposed(c), transposed_inputs(c, dtype),
                       [&](const std::vector<Array>& in, const Array& dy) {
                         return std::vector<Array>{
                             add_bias(reference::conv2d_backward_data(in[0], in[1], s), in[2]),
                             reference::conv2d_forward(dy, in[1], s),
                             reference::conv2d_backward_weight(dy, in[0], s),
                             reference::bias_gradient(dy)};
                       });
}

}  // namespace

TEST_CASE("conv_transpose2d and its gradients equal the definition in float32",
          "[conv_transpose2d]") {
  for (const ConvCase& c : small_transposed_convs())
    check_transposed(c, Dtype::float32);
  for (const ConvCase& c : large_transposed_convs())
    check_transposed(c, Dtype::float32);
}

TEST_CASE("conv_transpose2d and its gradients equal the definition in float64",
          "[conv_transpose2d]") {
  for (const ConvCase& c : small_transposed_convs())
    check_transposed(c, Dtype::float64);
}

TEST_CASE("conv_transpose2d and its gradients equal the definition in bfloat16",
          "[conv_transpose2d][bfloat16]") {
  if (!kernels::cpu::has_native_bfloat16()) SKIP("this CPU has no bfloat16 arithmetic");
  for (const ConvCase& c : small_transposed_convs())
    check_transposed(c, Dtype::bfloat16);
  for (const ConvCase& c : large_transposed_convs())
    check_transposed(c, Dtype::bfloat16);
}

TEST_CASE("conv_transpose2d's backward is the derivative of its forward",
          "[conv_transpose2d][gradcheck]") {
  for (const ConvCase& c : small_transposed_convs()) {
    INFO(c.remark);
    CHECK(gradcheck(transposed(c), transposed_inputs(c, Dtype::float64)) == "");
  }
}

TEST_CASE("conv_transpose2d's second derivatives are those of its forward",
          "[conv_transpose2d][gradcheck]") {
  for (const ConvCase& c : small_transposed_convs()) {
    if (c.x.numel() * c.weight.numel() > 2000) continue;
    INFO(c.remark);
    const Function f = [&](const Tensors& in) { return square(transposed(c)(in)); };
    CHECK(gradgradcheck(f, transposed_inputs(c, Dtype::float64)) == "");
  }
}

TEST_CASE("conv_transpose2d with SAME padding multiplies the size by the stride",
          "[conv_transpose2d]") {
  const auto shape_of = [](const Shape& x, const Shape& weight, const Conv2dOptions& options) {
    return conv_transpose2d(Tensor::zeros(x), Tensor::zeros(weight), Tensor(), options).shape();
  };
  CHECK(shape_of({2, 8, 8, 4}, {4, 5, 5, 3}, strided(2, 2)) == Shape{2, 16, 16, 3});
  CHECK(shape_of({1, 3, 5, 2}, {2, 2, 5, 3}, strided(3, 1)) == Shape{1, 9, 5, 3});
  // Explicit padding: (size - 1) * stride + kernel - padding.
  CHECK(shape_of({1, 3, 5, 2}, {2, 4, 4, 3}, padded(2, 1, 1, 1, 0)) == Shape{1, 6, 11, 3});
}

TEST_CASE("conv_transpose2d is conv2d_input_grad under its own name", "[conv_transpose2d]") {
  for (const ConvCase& c : large_transposed_convs()) {
    INFO(c.remark);
    const Tensors in = transposed_inputs(c, Dtype::float32);
    const Tensor y = conv_transpose2d(in[0], in[1], Tensor(), c.options);
    CHECK(same_bits(y, conv2d_input_grad(in[0], in[1], y.shape(), c.options)));
  }
}

TEST_CASE("conv_transpose2d's shape errors name both shapes", "[conv_transpose2d][errors]") {
  const auto lacks = [](const std::vector<std::string>& parts, const Shape& x, const Shape& weight,
                        const Tensor& bias, const Conv2dOptions& options = {}) {
    return shape_error_lacks(
        parts, [&] { conv_transpose2d(Tensor::zeros(x), Tensor::zeros(weight), bias, options); });
  };
  CHECK(lacks({"conv_transpose2d", "[4,5,5,3]", "[1,8,8,5]"}, {1, 8, 8, 5}, {4, 5, 5, 3},
              Tensor()) == "");
  CHECK(lacks({"conv_transpose2d", "[8,8,4]", "[4,5,5,3]"}, {8, 8, 4}, {4, 5, 5, 3}, Tensor()) ==
        "");
  // The bias is per output channel, which is the weight's last dimension.
  CHECK(lacks({"[4,5,5,3]", "[3]", "[4]"}, {1, 8, 8, 4}, {4, 5, 5, 3}, Tensor::zeros({4})) == "");
  CHECK(lacks({"padding is larger", "[1,2,2,4]"}, {1, 2, 2, 4}, {4, 2, 2, 3}, Tensor(),
              padded(1, 9, 0, 0, 0)) == "");
  CHECK(lacks({"stride 0x1"}, {1, 2, 2, 4}, {4, 2, 2, 3}, Tensor(), strided(0, 1)) == "");
}

}  // namespace whisker::testing
