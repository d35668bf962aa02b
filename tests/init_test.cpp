#include <cmath>
#include <set>

#include <whisker/layers/nn.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

struct Moments {
  double mean = 0.0, deviation = 0.0, largest = 0.0;
};

Moments moments_of(const Tensor& tensor) {
  Moments m;
  const Array values = to_array(tensor);
  const auto n = static_cast<double>(values.values.size());
  for (const double v : values.values) {
    m.mean += v / n;
    m.largest = std::max(m.largest, std::abs(v));
  }
  for (const double v : values.values)
    m.deviation += (v - m.mean) * (v - m.mean) / n;
  m.deviation = std::sqrt(m.deviation);
  return m;
}

}  // namespace

TEST_CASE("truncated normal values are redrawn beyond two sigma, which narrows them", "[init]") {
  // 2 phi(2) / (2 Phi(2) - 1) = 0.226; the deviation is sqrt(1 - 2 * 0.1138) = 0.8796 of sigma.
  for (const float stddev : {0.02f, 1.0f}) {
    INFO("stddev " << stddev);
    const Moments m = moments_of(nn::Init(7).truncated_normal({64, 5, 5, 128}, stddev));
    // 204,800 draws: the errors of mean and deviation have a sigma of about 0.0020 and 0.0014.
    CHECK(std::abs(m.mean) < 0.01 * stddev);
    CHECK(m.deviation == Approx(0.8796 * stddev).epsilon(0.006));
    CHECK(m.largest <= 2.0 * stddev);
    CHECK(m.largest > 1.99 * stddev);
  }
}

TEST_CASE("Glorot's values are uniform up to a limit set by both fans", "[init]") {
  const Moments m = moments_of(nn::Init(7).glorot_uniform({4096, 100}));
  const double limit = std::sqrt(6.0 / 4196.0);
  CHECK(std::abs(m.mean) < 0.01 * limit);
  CHECK(m.deviation == Approx(limit / std::sqrt(3.0)).epsilon(0.006));
  CHECK(m.largest <= limit);
  CHECK(m.largest > 0.999 * limit);
  // The article's dense layers: 100 -> 65,536 and 65,536 -> 1.
  CHECK(moments_of(nn::Init(7).glorot_uniform({1, 65536})).largest ==
        Approx(0.009568).epsilon(1e-3));
}

TEST_CASE("layers start as the article's do", "[init]") {
  nn::Init init(3);
  const nn::ConvOptions conv{.in_channels = 64, .out_channels = 64};
  nn::ConvBlock block({.conv = conv, .transposed = true}, init);
  const auto state = block.state_dict();
  CHECK(moments_of(state.at("conv.weight")).deviation == Approx(0.01759).epsilon(0.01));
  CHECK(same_bits(state.at("conv.bias"), Tensor::zeros({64})));
  CHECK(same_bits(state.at("norm.gamma"), Tensor::full({64}, 1.0)));
  CHECK(same_bits(state.at("norm.beta"), Tensor::zeros({64})));
  CHECK(same_bits(state.at("norm.moving_mean"), Tensor::zeros({64})));
  CHECK(same_bits(state.at("norm.moving_variance"), Tensor::full({64}, 1.0)));

  nn::Dense dense({.in = 200, .out = 100}, init);
  CHECK(moments_of(dense.state_dict().at("weight")).largest ==
        Approx(std::sqrt(6.0 / 300.0)).epsilon(1e-3));
  CHECK(same_bits(dense.state_dict().at("bias"), Tensor::zeros({100})));

  nn::ConvOptions wide = conv;
  wide.init_stddev = 0.1f;
  nn::Conv2d other(wide, init);
  CHECK(moments_of(other.state_dict().at("weight")).deviation == Approx(0.08796).epsilon(0.01));
}

TEST_CASE("the same seed and order give the same values, another seed others", "[init]") {
  const auto draw = [](std::uint64_t seed) {
    nn::Init init(seed);
    return Tensors{init.truncated_normal({3, 5, 5, 2}), init.glorot_uniform({7, 5}),
                   init.truncated_normal({3, 5, 5, 2})};
  };
  CHECK(same_bits(draw(1), draw(1)));
  const Tensors a = draw(1), b = draw(2);
  for (std::size_t i = 0; i < a.size(); ++i)
    CHECK_FALSE(same_bits(a[i], b[i]));
  // Seeds that differ in their upper half only.
  CHECK_FALSE(same_bits(a[0], draw(1 + (std::uint64_t{1} << 32))[0]));
}

TEST_CASE("parameters of one net share no random numbers", "[init]") {
  nn::Init init(1);
  std::set<float> seen;
  std::size_t count = 0;
  for (int i = 0; i < 20; ++i)
    for (const float v : init.truncated_normal({10, 10}).to_vector<float>()) {
      seen.insert(v);
      ++count;
    }
  // 2,000 floats of 24 bits or so: 0.1 equal pairs are expected by chance.
  CHECK(seen.size() + 3 >= count);
}

TEST_CASE("initialisers refuse what they cannot serve", "[init][errors]") {
  nn::Init init(1);
  CHECK(message_of([&] {
          init.glorot_uniform({3, 5, 5, 2});
        }) == "glorot_uniform: wants a weight [out,in], got [3,5,5,2]");
  CHECK_THROWS_AS(init.glorot_uniform({0, 0}), ShapeError);
  CHECK_THROWS_AS(init.truncated_normal({2}, -1.0f), Error);
  CHECK_THROWS_AS(init.truncated_normal({2}, INFINITY), Error);
  CHECK(same_bits(init.truncated_normal({2}, 0.0f), Tensor::zeros({2})));
}

}  // namespace whisker::testing
