#include "reference/resample2d.h"

#include <whisker/core/ops.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

struct ResampleCase {
  const char* remark;
  Shape small;
  Block2d block;
};

const ResampleCase kSmall[] = {
    {"one pixel becomes one", {1, 1, 1, 1}, {1, 1}},
    {"one pixel becomes four", {1, 1, 1, 1}, {2, 2}},
    {"pictures", {2, 3, 2, 3}, {2, 2}},
    {"blocks of rows alone", {2, 2, 3, 2}, {3, 1}},
    {"blocks of columns alone", {1, 3, 2, 2}, {1, 3}},
    {"uneven blocks", {1, 2, 1, 5}, {2, 3}},
};
const ResampleCase kLarge[] = {
    {"no image", {0, 4, 4, 8}, {2, 2}},
    {"no pixel", {2, 0, 4, 8}, {2, 2}},
    {"no channel", {2, 4, 4, 0}, {2, 2}},
    {"an image of D", {3, 16, 16, 64}, {2, 2}},
    {"channels with a tail", {2, 9, 7, 77}, {2, 3}},
    {"many pictures", {70, 33, 31, 3}, {2, 2}},
    {"one mean per channel", {5, 1, 1, 19}, {37, 41}},
};

template <class Body>
void for_each_case(const Body& body) {
  for (const ResampleCase& c : kSmall)
    body(c);
  for (const ResampleCase& c : kLarge)
    body(c);
}

Shape large_shape(const ResampleCase& c) {
  return {c.small[0], c.small[1] * c.block.height, c.small[2] * c.block.width, c.small[3]};
}

double share(const Block2d& block) {
  return 1.0 / (block.height * block.width);
}

Function up(const Block2d& block) {
  return [block](const Tensors& in) { return upsample2d(in[0], block); };
}
Function pool(const Block2d& block) {
  return [block](const Tensors& in) { return avg_pool2d(in[0], block); };
}

}  // namespace

TEST_CASE("upsample2d and its gradient equal the definition", "[resample2d]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16})
    for_each_case([&](const ResampleCase& c) {
      INFO(c.remark << ", " << dtype);
      check_multilinear_op(up(c.block), {random_tensor(c.small, dtype)},
                           [&](const std::vector<Array>& in, const Array& dy) {
                             return std::vector<Array>{
                                 reference::upsample2d(in[0], c.block.height, c.block.width),
                                 reference::block_sum2d(dy, c.block.height, c.block.width)};
                           });
    });
}

TEST_CASE("avg_pool2d and its gradient equal the definition", "[resample2d]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16})
    for_each_case([&](const ResampleCase& c) {
      INFO(c.remark << ", " << dtype);
      const int height = c.block.height, width = c.block.width;
      const Tolerance rounding = elementwise_tolerance(dtype);
      check_op(pool(c.block), {random_tensor(large_shape(c), dtype)},
               [&](const std::vector<Array>& in, const Array& dy) {
                 return std::vector<Array>{
                     reference::block_sum2d(in[0], height, width, share(c.block)),
                     reference::upsample2d(dy, height, width, share(c.block))};
               },
               rounding, {0.0, rounding.relative});  // a gradient is one product
    });
}

TEST_CASE("up-sampling repeats bits, and pooling takes it back", "[resample2d]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16}) {
    const Tensor x = random_tensor({2, 5, 3, 7}, dtype);
    CHECK(mismatch(upsample2d(x), reference::upsample2d(to_array(x), 2, 2), kExact) == "");
    CHECK(same_bits(avg_pool2d(upsample2d(x)), x));  // sums of four equal values are exact
  }
}

TEST_CASE("the device of up-sampling and pooling changes no bit", "[resample2d]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16})
    for_each_case([&](const ResampleCase& c) {
      INFO(c.remark << ", " << dtype);
      const Tensor small = random_tensor(c.small, dtype);
      const Tensor large = random_tensor(large_shape(c), dtype);
      const Device cpu = Device::cpu();
      CHECK(same_bits(upsample2d(small, c.block), upsample2d(small.to(cpu), c.block)));
      CHECK(same_bits(avg_pool2d(large, c.block), avg_pool2d(large.to(cpu), c.block)));
    });
}

TEST_CASE("up-sampling and pooling are differentiable twice", "[resample2d][gradcheck]") {
  for (const ResampleCase& c : kSmall) {
    INFO(c.remark);
    const Tensor small = random_tensor(c.small, Dtype::float64);
    const Tensor large = random_tensor(large_shape(c), Dtype::float64);
    CHECK(gradcheck(up(c.block), {small}) == "");
    CHECK(gradcheck(pool(c.block), {large}) == "");
    CHECK(gradgradcheck([&](const Tensors& in) { return square(upsample2d(in[0], c.block)); },
                        {small}) == "");
    CHECK(gradgradcheck([&](const Tensors& in) { return square(avg_pool2d(in[0], c.block)); },
                        {large}) == "");
  }
}

TEST_CASE("errors of up-sampling and pooling name shapes and blocks", "[resample2d][errors]") {
  const Tensor x = Tensor::zeros({2, 4, 6, 3});
  CHECK(shape_error_lacks({"upsample2d", "[4,6]"}, [] {
          upsample2d(Tensor::zeros({4, 6}));
        }) == "");
  CHECK(shape_error_lacks({"avg_pool2d", "[24]"}, [] { avg_pool2d(Tensor::zeros({24})); }) == "");
  CHECK(shape_error_lacks({"upsample2d", "0x2"}, [&] { upsample2d(x, {0, 2}); }) == "");
  CHECK(shape_error_lacks({"avg_pool2d", "2x-1"}, [&] { avg_pool2d(x, {2, -1}); }) == "");
  CHECK(shape_error_lacks({"avg_pool2d", "[2,4,6,3]", "3x2"}, [&] {
          avg_pool2d(x, {3, 2});
        }) == "");
  CHECK(shape_error_lacks({"avg_pool2d", "[2,4,6,3]", "2x4"}, [&] {
          avg_pool2d(x, {2, 4});
        }) == "");
  CHECK(shape_error_lacks({"upsample2d", "int32"}, [] {
          upsample2d(Tensor::zeros({1, 1, 1, 1}, Dtype::int32));
        }) == "");
}

}  // namespace whisker::testing
