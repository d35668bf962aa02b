#include <bit>
#include <cmath>
#include <limits>

#include <whisker/core/ops.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

/// The nearest bfloat16, ties to even, found by trying both neighbours.
float nearest_bfloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x) & 0xFFFF0000u;
  const float below = std::bit_cast<float>(bits);
  const float above = std::bit_cast<float>(bits + 0x10000u);
  const double down = std::abs(static_cast<double>(x) - below);
  const double up = std::abs(static_cast<double>(x) - above);
  if (down != up) return down < up ? below : above;
  return bits & 0x10000u ? above : below;
}

}  // namespace

TEST_CASE("a cast to bfloat16 rounds to nearest, ties to even", "[cast]") {
  std::vector<float> values{0.0f,    1.0f,    -1.0f,      0x1.01p0f,  0x1.03p0f,    0x1.05p0f,
                            1.0e-3f, 3.0e38f, 0x1.fcp20f, 0x1.ffp20f, -0x1.0101p0f, 0x1p-130f};
  const Tensor random = random_tensor({1000}, Dtype::float32, 1, -3.0f, 3.0f);
  const auto drawn = random.to_vector<float>();
  values.insert(values.end(), drawn.begin(), drawn.begin() + 1000);
  const auto n = static_cast<std::int64_t>(values.size());
  const Tensor rounded = cast(Tensor::from(values, {n}), Dtype::bfloat16);
  const Array result = to_array(rounded);
  for (std::int64_t i = 0; i < n; ++i) {
    INFO("of " << values[static_cast<std::size_t>(i)]);
    CHECK(result[i] == nearest_bfloat16(values[static_cast<std::size_t>(i)]));
  }
  CHECK(same_bits(cast(cast(rounded, Dtype::float32), Dtype::bfloat16), rounded));
}

TEST_CASE("a cast keeps infinities and NaN", "[cast]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // The last one has only low mantissa bits, which rounding would carry into infinity.
  const float sneaky_nan = std::bit_cast<float>(0x7F800001u);
  const Tensor x = Tensor::from(std::vector<float>{kInfinity, -kInfinity, NAN, sneaky_nan}, {4});
  for (const Dtype dtype : {Dtype::bfloat16, Dtype::float64}) {
    const Array y = to_array(cast(x.to(device_for(dtype)), dtype));
    CHECK(y[0] == kInfinity);
    CHECK(y[1] == -kInfinity);
    CHECK(std::isnan(y[2]));
    CHECK(std::isnan(y[3]));
  }
  // Too large for float32: infinity, as IEEE 754 rounds.
  CHECK(cast(Tensor::full({1}, 1e300, Dtype::float64), Dtype::float32).item() == kInfinity);
  CHECK(cast(Tensor::full({1}, 3.4e38), Dtype::bfloat16).item() == kInfinity);
}

TEST_CASE("a cast from integers is exact where the type can hold them", "[cast]") {
  std::vector<std::uint8_t> bytes(256);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(i);
  const Tensor x = Tensor::from(bytes, {256});
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16})
    CHECK(mismatch(cast(x.to(device_for(dtype)), dtype), to_array(x), kExact) == "");
  const Tensor integers =
      Tensor::from(std::vector<std::int32_t>{std::numeric_limits<std::int32_t>::min(), -1, 0,
                                             std::numeric_limits<std::int32_t>::max()},
                   {4});
  CHECK(mismatch(cast(integers.to(Device::cpu()), Dtype::float64), to_array(integers), kExact) ==
        "");
}

TEST_CASE("the gradient of a cast is cast back", "[cast]") {
  Tensor x = random_tensor({3, 5}).set_requires_grad();
  const Tensor weights = random_tensor({3, 5}, Dtype::bfloat16, 2);
  sum(cast(x, Dtype::bfloat16) * weights).backward();
  CHECK(x.grad().dtype() == Dtype::float32);
  CHECK(mismatch(x.grad(), to_array(weights), kExact) == "");
}

TEST_CASE("a cast is differentiable twice", "[cast][gradcheck]") {
  // A cast to float64 would be the tensor itself, and finite differences are too fine for others.
  Tensor x = random_tensor({4}).set_requires_grad();
  const Tensor y = sum(square(cast(square(x), Dtype::bfloat16)));  // dy/dx is 4 x^3
  const Tensor dx = gradients(y, {x}, {.create_graph = true}).front();
  sum(dx).backward();
  for (std::int64_t i = 0; i < 4; ++i) {
    const double at = element(x, i);
    CHECK(element(dx, i) == Approx(4.0 * at * at * at).epsilon(0.02));
    CHECK(element(x.grad(), i) == Approx(12.0 * at * at).epsilon(0.02));
  }
}

TEST_CASE("a cast to the same dtype is the tensor itself", "[cast]") {
  const Tensor x = random_tensor({3}).set_requires_grad();
  const Tensor y = cast(x, Dtype::float32);
  CHECK(y.storage() == x.storage());
  CHECK(y.node() == x.node());
}

TEST_CASE("there is no cast to integers", "[cast][errors]") {
  CHECK(shape_error_lacks({"cast", "uint8"}, [] { cast(Tensor::zeros({2}), Dtype::uint8); }) == "");
  CHECK(shape_error_lacks({"cast", "int32"}, [] { cast(Tensor::zeros({2}), Dtype::int32); }) == "");
}

}  // namespace whisker::testing
