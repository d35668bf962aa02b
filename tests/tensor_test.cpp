#include <whisker/core/tensor.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {

TEST_CASE("a tensor holds the values that it was made from", "[tensor]") {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const Tensor x = Tensor::from(values, {2, 3});
  CHECK(x.defined());
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.dim(-1) == 3);
  CHECK(x.rank() == 2);
  CHECK(x.numel() == 6);
  CHECK(x.bytes() == 24);
  CHECK(x.dtype() == Dtype::float32);
  CHECK(x.device() == default_device());
  CHECK(x.to_vector<float>() == values);
  CHECK(Tensor::from(std::vector<float>{}, {0, 4}).to_vector<float>().empty());
}

TEST_CASE("full and zeros fill every dtype", "[tensor]") {
  for (const Dtype dtype :
       {Dtype::float32, Dtype::bfloat16, Dtype::int32, Dtype::uint8, Dtype::float64}) {
    INFO(dtype);
    CHECK(mismatch(Tensor::full({3, 2}, 7.0, dtype), Array({3, 2}, 7.0), kExact) == "");
    CHECK(mismatch(Tensor::zeros({5}, dtype), Array({5}), kExact) == "");
    CHECK(Tensor::full({}, 3.0, dtype).item() == 3.0);
    CHECK(Tensor::zeros({5}, dtype).bytes() == 5 * size_of(dtype));
  }
}

TEST_CASE("copies of a tensor share elements, a clone does not", "[tensor]") {
  Tensor x = Tensor::zeros({3});
  const Tensor copy = x, detached = x.detach(), clone = x.clone();
  set_element(x, 1, 5.0);
  CHECK(element(copy, 1) == 5.0);
  CHECK(element(detached, 1) == 5.0);
  CHECK(element(clone, 1) == 0.0);
}

TEST_CASE("copy_from overwrites the elements in place", "[tensor]") {
  Tensor x = Tensor::zeros({2, 2});
  const Tensor copy = x;
  x.copy_from(Tensor::full({2, 2}, 4.0));
  CHECK(mismatch(copy, Array({2, 2}, 4.0), kExact) == "");
  // Also between overlapping views.
  Tensor rows = Tensor::from(std::vector<float>{1, 2, 3, 4}, {4});
  rows.view_rows(1, 4).copy_from(rows.view_rows(0, 3));
  CHECK(rows.to_vector<float>() == std::vector<float>{1, 1, 2, 3});
}

TEST_CASE("a tensor knows whether another handle or view can see its elements", "[tensor]") {
  Tensor x = Tensor::zeros({4});
  CHECK(x.is_sole_owner());
  {
    const Tensor copy = x;
    CHECK_FALSE(x.is_sole_owner());
  }
  CHECK(x.is_sole_owner());
  {
    const Tensor view = x.view_rows(0, 1);
    CHECK_FALSE(x.is_sole_owner());
  }
  {
    const Tensor view = x.view({2, 2});
    CHECK_FALSE(x.is_sole_owner());
  }
  CHECK(x.is_sole_owner());
}

TEST_CASE("every write counts", "[tensor]") {
  Tensor x = Tensor::zeros({4});
  const auto version = x.storage()->version();
  x.to_vector<float>();
  CHECK(x.storage()->version() == version);
  x.kernel_mutable_data<float>();
  CHECK(x.storage()->version() > version);
  // Writing through a view writes to the same elements.
  const auto before = x.storage()->version();
  Tensor view = x.view({2, 2});
  view.raw_mutable_data();
  CHECK(x.storage()->version() > before);
}

TEST_CASE("using a tensor wrongly is an error that says what is wrong", "[tensor][errors]") {
  const Tensor undefined;
  CHECK_FALSE(undefined.defined());
  CHECK_THROWS_AS(undefined.shape(), Error);
  CHECK(message_of([&] { undefined.numel(); }) == "tensor: used before it was given a value");
  CHECK_FALSE(undefined.requires_grad());

  Tensor x = Tensor::zeros({2, 3});
  CHECK(shape_error_lacks({"5 values", "[2,3]"}, [] {
          Tensor::from(std::vector<float>(5), {2, 3});
        }) == "");
  CHECK(shape_error_lacks({"float32", "float64"}, [&] { x.kernel_data<double>(); }) == "");
  CHECK(shape_error_lacks({"float32", "uint8"}, [&] { x.kernel_mutable_data<std::uint8_t>(); }) ==
        "");
  CHECK(shape_error_lacks({"item", "[2,3]"}, [&] { x.item(); }) == "");
  CHECK(shape_error_lacks({"copy_from", "[3,2]", "[2,3]"}, [&] {
          x.copy_from(Tensor::zeros({3, 2}));
        }) == "");
  CHECK(shape_error_lacks({"copy_from", "float64", "float32"}, [&] {
          x.copy_from(Tensor::zeros({2, 3}, Dtype::float64));
        }) == "");
  CHECK(message_of([] {
          Tensor::zeros({2}, Dtype::uint8).set_requires_grad();
        }).find("uint8 has no gradient") != std::string::npos);
  CHECK(message_of([] { Tensor::zeros({2}, Dtype::float32, Device::cuda(1)); }).find("cuda:1") !=
        std::string::npos);
  CHECK_THROWS_AS(x.set_grad(x), Error);
  x.set_requires_grad();
  CHECK(shape_error_lacks({"set_grad", "[2,3]"}, [&] { x.set_grad(Tensor::zeros({3, 2})); }) == "");
}

TEST_CASE("a request that no machine can serve is OutOfMemory", "[tensor][errors]") {
  CHECK_THROWS_AS(Tensor::empty({std::int64_t{1} << 58}), OutOfMemory);
  // 2^62 elements of 8 bytes do not fit into 64 bits.
  CHECK_THROWS_AS(Tensor::empty({std::int64_t{1} << 62}, Dtype::float64), OutOfMemory);
}

}  // namespace whisker::testing
