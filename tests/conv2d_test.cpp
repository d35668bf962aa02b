#include "reference/conv2d.h"

#include <cfenv>

#include <whisker/core/ops.h>
#include <whisker/kernels/cpu/implementations.h>

#include "catch.h"
#include "shapes.h"
#include "testing.h"

namespace whisker::testing {
namespace {

Tensors conv_inputs(const ConvCase& c, Dtype dtype) {
  const Dtype weights = dtype == Dtype::bfloat16 ? Dtype::float32 : dtype;
  return {random_tensor(c.x, dtype, 1), cast(random_tensor(c.weight, dtype, 2), weights),
          cast(random_tensor({c.weight[0]}, dtype, 3), weights)};
}

Function conv(const ConvCase& c) {
  return [&c](const Tensors& in) { return conv2d(in[0], in[1], in[2], c.options); };
}

void check_conv(const ConvCase& c, Dtype dtype) {
  INFO(c.remark << ", " << dtype);
  const kernels::Conv2dShape s = conv2d_shape(c.x, c.weight, c.options);
  check_multilinear_op(
      conv(c), conv_inputs(c, dtype), [&](const std::vector<Array>& in, const Array& dy) {
        return std::vector<Array>{add_bias(reference::conv2d_forward(in[0], in[1], s), in[2]),
                                  reference::conv2d_backward_data(dy, in[1], s),
                                  reference::conv2d_backward_weight(in[0], dy, s),
                                  reference::bias_gradient(dy)};
      });
}

}  // namespace

TEST_CASE("conv2d and its gradients equal the definition in float32", "[conv2d]") {
  for (const ConvCase& c : small_convs())
    check_conv(c, Dtype::float32);
  for (const ConvCase& c : large_convs())
    check_conv(c, Dtype::float32);
}

TEST_CASE("conv2d and its gradients equal the definition in float64", "[conv2d]") {
  for (const ConvCase& c : small_convs())
    check_conv(c, Dtype::float64);
}

TEST_CASE("conv2d and its gradients equal the definition in bfloat16", "[conv2d][bfloat16]") {
  if (!kernels::cpu::has_native_bfloat16()) SKIP("this CPU has no bfloat16 arithmetic");
  for (const ConvCase& c : small_convs())
    check_conv(c, Dtype::bfloat16);
  for (const ConvCase& c : large_convs())
    check_conv(c, Dtype::bfloat16);
}

TEST_CASE("conv2d's backward is the derivative of its forward", "[conv2d][gradcheck]") {
  for (const ConvCase& c : small_convs()) {
    INFO(c.remark);
    CHECK(gradcheck(conv(c), conv_inputs(c, Dtype::float64)) == "");
  }
}

TEST_CASE("conv2d's second derivatives are those of its forward", "[conv2d][gradcheck]") {
  for (const ConvCase& c : small_convs()) {
    INFO(c.remark);
    // The square makes the second derivative in x alone different from zero.
    const Function f = [&](const Tensors& in) { return square(conv(c)(in)); };
    CHECK(gradcheck_along_line(f, conv_inputs(c, Dtype::float64)) == "");
    if (c.x.numel() <= 80) CHECK(gradgradcheck(f, conv_inputs(c, Dtype::float64)) == "");
  }
}

TEST_CASE("each of the three convolutions has its gradients among the other two",
          "[conv2d][gradcheck]") {
  for (const ConvCase& c : small_convs()) {
    INFO(c.remark);
    const Tensors in = conv_inputs(c, Dtype::float64);
    const Tensor dy = conv2d(in[0], in[1], Tensor(), c.options);
    const Function input_grad = [&](const Tensors& at) {
      return conv2d_input_grad(at[0], at[1], c.x, c.options);
    };
    const Function weight_grad = [&](const Tensors& at) {
      return conv2d_weight_grad(at[0], at[1], c.weight, c.options);
    };
    CHECK(gradcheck(input_grad, {dy, in[1]}) == "");
    CHECK(gradcheck(weight_grad, {in[0], dy}) == "");
    if (c.x.numel() > 40) continue;
    CHECK(gradgradcheck(input_grad, {dy, in[1]}) == "");
    CHECK(gradgradcheck(weight_grad, {in[0], dy}) == "");
  }
}

TEST_CASE("conv2d's gradients hold along a line at large sizes", "[conv2d][gradcheck]") {
  for (const ConvCase& c : large_convs()) {
    if (c.x.numel() * c.weight.numel() > 200'000'000) continue;
    INFO(c.remark);
    CHECK(gradcheck_along_line(conv(c), conv_inputs(c, Dtype::float64)) == "");
  }
}

TEST_CASE("a convolution without bias is the one with a bias of zeros", "[conv2d]") {
  const ConvCase& c = large_convs().front();
  const Tensors in = conv_inputs(c, Dtype::float32);
  CHECK(same_bits(conv2d(in[0], in[1], Tensor(), c.options),
                  conv2d(in[0], in[1], Tensor::zeros({c.weight[0]}), c.options)));
}

TEST_CASE("SAME padding is TensorFlow's: the odd pixel goes to the bottom and the right",
          "[conv2d]") {
  CHECK(Padding::same(32, 32, 5, 5, 2, 2) == Padding{1, 2, 1, 2});
  CHECK(Padding::same(7, 8, 5, 5, 2, 2) == Padding{2, 2, 1, 2});
  CHECK(Padding::same(8, 8, 4, 4, 2, 2) == Padding{1, 1, 1, 1});
  CHECK(Padding::same(5, 5, 2, 3, 1, 1) == Padding{0, 1, 1, 1});
  // A stride larger than the kernel needs none.
  CHECK(Padding::same(9, 9, 1, 2, 3, 3) == Padding{});
}

TEST_CASE("a padding of one number is the same on every side", "[conv2d]") {
  CHECK(Padding{1} == Padding{1, 1, 1, 1});
  CHECK(Padding{1} == Padding::all(1));
  CHECK(Padding{} == Padding::all(0));
  CHECK(Padding{.bottom = 1, .left = 2} == Padding{0, 1, 2, 0});
  const Tensor x = random_tensor({1, 5, 6, 2}), weight = random_tensor({3, 3, 3, 2});
  const Tensor y = conv2d(x, weight, Tensor(), {.padding = Padding{1}});
  CHECK(y.shape() == Shape{1, 5, 6, 3});
  CHECK(same_bits(y, conv2d(x, weight, Tensor(), padded(1, 1, 1, 1, 1))));
}

TEST_CASE("a padding of zeros written into the image changes nothing", "[conv2d]") {
  const Tensor x = random_tensor({2, 6, 5, 3}), weight = random_tensor({4, 5, 5, 3});
  const Tensor image = x.to(Device::cpu());
  Tensor bordered = Tensor::zeros({2, 9, 9, 3}, Dtype::float32, Device::cpu());
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t h = 0; h < 6; ++h)
      std::copy_n(image.data<float>() + (n * 6 + h) * 15, 15,
                  bordered.mutable_data<float>() + ((n * 9 + h + 1) * 9 + 2) * 3);
  const Tensor implied = conv2d(x, weight, Tensor(), padded(2, 1, 2, 2, 2));
  const Tensor written = conv2d(bordered.to(x.device()), weight, Tensor(), padded(2, 0, 0, 0, 0));
  CHECK(mismatch(implied, to_array(written), product_tolerance(Dtype::float32)) == "");
}

TEST_CASE("conv2d sees a weight that was changed in place", "[conv2d]") {
  // A packed copy of the weight is kept between calls; it must not outlive a write.
  const Tensor x = random_tensor({1, 6, 6, 16});
  Tensor weight = random_tensor({32, 3, 3, 16});
  const Tensor before = conv2d(x, weight, Tensor());
  const Tensor dx_before = conv2d_input_grad(before, weight, x.shape());
  weight.copy_from(2.0 * weight);
  CHECK(same_bits(conv2d(x, weight, Tensor()), 2.0 * before));
  CHECK(same_bits(conv2d_input_grad(before, weight, x.shape()), 2.0 * dx_before));
}

TEST_CASE("conv2d with a weight that is part of a larger tensor takes the right part", "[conv2d]") {
  const Tensor x = random_tensor({1, 6, 6, 16});
  const Tensor both = random_tensor({64, 3, 3, 16});
  for (const std::int64_t begin : {0, 32}) {
    const Tensor part = slice(both, begin, begin + 32);
    CHECK(same_bits(conv2d(x, part, Tensor()), conv2d(x, part.clone(), Tensor())));
  }
}

TEST_CASE("the backward pass does not compute the gradient of a frozen weight", "[conv2d]") {
  // x * dy overflows, so computing dweight raises the flag; nothing else here comes near.
  const auto overflows = [](bool frozen) {
    Tensor x = Tensor::full({1, 4, 4, 1}, 1e200, Dtype::float64).set_requires_grad();
    Tensor weight = Tensor::full({1, 3, 3, 1}, 1e-200, Dtype::float64).set_requires_grad(!frozen);
    const Tensor loss = sum(conv2d(x, weight, Tensor()) * 1e200);
    std::feclearexcept(FE_ALL_EXCEPT);
    loss.backward();
    CHECK(x.grad().defined());
    CHECK(weight.grad().defined() == !frozen);
    return std::fetestexcept(FE_OVERFLOW) != 0;
  };
  CHECK(overflows(false));
  CHECK_FALSE(overflows(true));
}

TEST_CASE("conv2d's shape errors name both shapes", "[conv2d][errors]") {
  const Tensor x = Tensor::zeros({8, 32, 32, 4}), weight = Tensor::zeros({64, 5, 5, 3});
  CHECK(message_of([&] { conv2d(x, weight, Tensor()); }) ==
        "conv2d: weight [64,5,5,3] wants 3 input channels, x is [8,32,32,4]");

  const Tensor rgb = Tensor::zeros({8, 32, 32, 3});
  const auto lacks = [](const std::vector<std::string>& parts, const Tensor& a, const Tensor& w,
                        const Tensor& bias, const Conv2dOptions& options = {}) {
    return shape_error_lacks(parts, [&] { conv2d(a, w, bias, options); });
  };
  CHECK(lacks({"[32,32,3]", "[64,5,5,3]"}, Tensor::zeros({32, 32, 3}), weight, Tensor()) == "");
  CHECK(lacks({"[63]", "[64]", "[64,5,5,3]"}, rgb, weight, Tensor::zeros({63})) == "");
  CHECK(lacks({"float32", "float64"}, rgb, cast(weight.to(Device::cpu()), Dtype::float64),
              Tensor()) == "");
  CHECK(lacks({"5x5", "4x4"}, Tensor::zeros({1, 2, 2, 3}), weight, Tensor(),
              padded(1, 1, 1, 1, 1)) == "");
  CHECK(lacks({"stride 0x1"}, rgb, weight, Tensor(), strided(0, 1)) == "");
  CHECK(lacks({"stride 1x-2"}, rgb, weight, Tensor(), strided(1, -2)) == "");
  CHECK(lacks({"negative padding -1,0,0,0"}, rgb, weight, Tensor(), padded(1, -1, 0, 0, 0)) == "");
  CHECK(lacks({"at least one channel", "[1,4,4,0]"}, Tensor::zeros({1, 4, 4, 0}),
              Tensor::zeros({2, 3, 3, 0}), Tensor()) == "");
  CHECK(lacks({"at least one channel"}, rgb, Tensor::zeros({0, 5, 5, 3}), Tensor()) == "");
  CHECK(lacks({"0x5"}, rgb, Tensor::zeros({64, 0, 5, 3}), Tensor()) == "");

  const Tensor dy = Tensor::zeros({8, 15, 16, 64});
  CHECK(shape_error_lacks({"[8,15,16,64]", "[8,16,16,64]"}, [&] {
          conv2d_input_grad(dy, weight, rgb.shape(), strided(2, 2));
        }) == "");
  CHECK(shape_error_lacks({"[8,15,16,64]", "[8,16,16,64]"}, [&] {
          conv2d_weight_grad(rgb, dy, weight.shape(), strided(2, 2));
        }) == "");
}

}  // namespace whisker::testing
