#include <whisker/core/ops.h>
#include <whisker/kernels/cpu/conv2d_primitives.h>

#include "catch.h"
#include "reference/conv2d.h"
#include "testing.h"

namespace whisker::testing {
namespace {

// A weight of 6.5 MB; that of the largest phase of backward data has 2.4 MB.
const Shape kX{1, 7, 8, 256}, kWeight{256, 5, 5, 256};
const Conv2dOptions kStride2{.stride_h = 2, .stride_w = 2};

}  // namespace

TEST_CASE("a weight larger than a core's cache is cut by output channels", "[conv2d]") {
  if (!kernels::cpu::has_avx512()) SKIP("other CPUs share the images");
  kernels::Conv2dShape shape = conv2d_shape(kX, kWeight, kStride2);
  shape.batch = 4;
  const auto tasks = [&](auto change) {
    kernels::Conv2dShape changed = shape;
    change(changed);
    return kernels::cpu::channel_tasks<float>(changed, true);
  };
  const auto nothing = [](kernels::Conv2dShape&) {};
  CHECK(tasks(nothing) == 8);
  CHECK(tasks([](auto& s) { s.out_channels = 240; }) == 1);
  CHECK(tasks([](auto& s) { s.in_channels = 32; }) == 1);  // fits into the cache
  CHECK(tasks([](auto& s) { s.batch = 16384; }) == 1);     // a result of 16 MB a thread
}

TEST_CASE("a convolution of few images is cut by output channels", "[conv2d]") {
  const kernels::Conv2dShape shape{.batch = 1,
                                   .in_h = 16,
                                   .in_w = 16,
                                   .in_channels = 32,
                                   .out_channels = 64,
                                   .kernel_h = 3,
                                   .kernel_w = 3};
  CHECK(kernels::cpu::channel_tasks<float>(shape, true) == 2);
  kernels::Conv2dShape many = shape;
  many.batch = 4;
  CHECK(kernels::cpu::channel_tasks<float>(many, true) == 1);
  kernels::Conv2dShape small = shape;
  small.in_h = small.in_w = 4;
  CHECK(kernels::cpu::channel_tasks<float>(small, true) == 1);
}

TEST_CASE("convolutions with a large weight equal the definition for any threads", "[conv2d]") {
  const DeviceScope cpu(Device::cpu());
  const kernels::Conv2dShape shape = conv2d_shape(kX, kWeight, kStride2);
  for (const int threads : {1, 2, 3}) {
    INFO(threads << " threads");
    const ThreadScope scope(threads);
    check_multilinear_op(
        [](const Tensors& in) { return conv2d(in[0], in[1], in[2], kStride2); },
        {random_tensor(kX, Dtype::float32, 1), random_tensor(kWeight, Dtype::float32, 2),
         random_tensor({256}, Dtype::float32, 3)},
        [&](const std::vector<Array>& in, const Array& dy) {
          return std::vector<Array>{add_bias(reference::conv2d_forward(in[0], in[1], shape), in[2]),
                                    reference::conv2d_backward_data(dy, in[1], shape),
                                    reference::conv2d_backward_weight(in[0], dy, shape),
                                    reference::bias_gradient(dy)};
        });
  }
}

TEST_CASE("the bits of a convolution with a large weight do not depend on the threads",
          "[conv2d][determinism]") {
  const DeviceScope cpu(Device::cpu());
  const Tensor x = random_tensor(kX, Dtype::float32, 1);
  const Tensor weight = random_tensor(kWeight, Dtype::float32, 2);
  const auto run = [&](int threads) {
    const ThreadScope scope(threads);
    return conv2d(x, weight, Tensor(), kStride2);
  };
  const Tensor y = run(1);
  CHECK(same_bits(run(2), y));
  CHECK(same_bits(run(3), y));
}

}  // namespace whisker::testing
