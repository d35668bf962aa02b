// Every kernel of the three convolutions against the definition in double.
#include "reference/conv2d.h"

#include <cmath>
#include <cstring>

#include <whisker/kernels/cuda/conv2d_plan.h>

#include "catch.h"
#include "conv2d_cases.h"
#include "device_array.h"
#include "kernel_test.h"

namespace whisker::testing {
namespace {

using namespace kernels::cuda;
using kernels::Conv2dShape;
using Values = std::vector<double>;

constexpr Conv2dPass kPasses[] = {Conv2dPass::forward, Conv2dPass::backward_data,
                                  Conv2dPass::backward_weight};

const char* name_of(Conv2dPass pass) {
  switch (pass) {
    case Conv2dPass::forward:
      return "forward";
    case Conv2dPass::backward_data:
      return "backward_data";
    case Conv2dPass::backward_weight:
      break;
  }
  return "backward_weight";
}

template <class T>
std::vector<T> rounded(const Values& values) {
  std::vector<T> result;
  for (const double value : values)
    result.push_back(T(static_cast<float>(value)));
  return result;
}

template <class T>
Values widened(const std::vector<T>& values) {
  Values result;
  for (const T value : values)
    result.push_back(static_cast<float>(value));
  return result;
}

/// To the 10 explicit bits of TF32, ties away from zero, as PTX's cvt.rna.
Values rounded_to_tf32(Values values) {
  for (double& value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    value = std::bit_cast<float>((bits + 0x1000u) & ~0x1FFFu);
  }
  return values;
}

/// The operands of one pass, and the bias or nothing.
struct Inputs {
  Values x, weight, dy, bias;
};

Inputs make_inputs(const Conv2dShape& s, Conv2dPass pass) {
  const std::int64_t channels = pass == Conv2dPass::forward ? s.out_channels : s.in_channels;
  return {random_values(s.input_size(), 1), random_values(s.weight_size(), 2),
          random_values(s.output_size(), 3), random_values(channels, 4)};
}

/// A pass by its definition, and for each result the sum of magnitudes and the count of its terms.
struct Expected {
  Values values, magnitudes, counts;
};

Expected by_definition(const Inputs& in, Conv2dPass pass, const Conv2dShape& s) {
  const std::int64_t size = pass == Conv2dPass::forward         ? s.output_size()
                            : pass == Conv2dPass::backward_data ? s.input_size()
                                                                : s.weight_size();
  const auto count = static_cast<std::size_t>(size);
  Expected expected{Values(count), Values(count), Values(count)};
  const auto add = [&](std::size_t to, double term) {
    expected.values[to] += term;
    expected.magnitudes[to] += std::abs(term);
    expected.counts[to] += 1;
  };
  if (pass != Conv2dPass::backward_weight && !in.bias.empty())
    for (std::size_t i = 0; i < count; ++i)
      add(i, in.bias[i % in.bias.size()]);
  reference::for_each_product(
      s, s.out_h(), s.out_w(), [&](std::int64_t ix, std::int64_t iw, std::int64_t iy) {
        const auto x = static_cast<std::size_t>(ix), w = static_cast<std::size_t>(iw),
                   y = static_cast<std::size_t>(iy);
        switch (pass) {
          case Conv2dPass::forward:
            return add(y, in.x[x] * in.weight[w]);
          case Conv2dPass::backward_data:
            return add(x, in.dy[y] * in.weight[w]);
          case Conv2dPass::backward_weight:
            return add(w, in.dy[y] * in.x[x]);
        }
      });
  return expected;
}

/// The inputs as a plan's arithmetic sees them. Products of them are exact in float32.
Inputs as_seen_by(const Conv2dPlan& plan, Conv2dMath math, Inputs in) {
  if (plan.algorithm == Conv2dAlgorithm::simt) return in;
  if (math == Conv2dMath::tf32)
    return {rounded_to_tf32(in.x), rounded_to_tf32(in.weight), rounded_to_tf32(in.dy), in.bias};
  in.weight = widened(rounded<bfloat16>(in.weight));
  return in;
}

/// Sums of K terms in float32: rounding errors add up as a random walk, 4 * 2^-24 sqrt(K) times
/// the sum of magnitudes; tensor cores cut bits off instead, an error of up to 2^-23 that does
/// not average out at each of K / 8 steps. bfloat16 results are rounded once more, by 2^-8.
double allowed_error(const Expected& expected, std::size_t i, bool to_bfloat16) {
  const double k = expected.counts[i];
  const double sum = (4 * std::sqrt(k) / 2 + k / 8) * std::ldexp(1.0, -23) * expected.magnitudes[i];
  return sum + (to_bfloat16 ? (std::abs(expected.values[i]) + sum) * std::ldexp(1.0, -8) : 0.0);
}

template <class T>
std::string mismatch(const std::vector<T>& actual, const Expected& expected) {
  if (actual.size() != expected.values.size()) return "wrong size";
  const bool to_bfloat16 = std::is_same_v<T, bfloat16>;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(static_cast<float>(actual[i]) - expected.values[i]);
    const double allowed = allowed_error(expected, i, to_bfloat16);
    if (!(error <= allowed))  // a NaN is not
      return str("[", i, "]: ", static_cast<float>(actual[i]), " instead of ", expected.values[i],
                 ", error ", error, " where ", allowed, " is allowed");
  }
  return "";
}

/// Device copies of the inputs of one pass.
template <class T>
struct DeviceInputs {
  DeviceArray<T> x, dy;
  DeviceArray<float> weight, bias;
  bool with_bias;

  explicit DeviceInputs(const Inputs& in)
      : x(rounded<T>(in.x)),
        dy(rounded<T>(in.dy)),
        weight(rounded<float>(in.weight)),
        bias(rounded<float>(in.bias)),
        with_bias(!in.bias.empty()) {}
  const float* bias_or_null() const { return with_bias ? bias.get() : nullptr; }
};

/// Runs one plan; results are float in backward_weight.
template <class T>
std::vector<T> run_image_pass(const Conv2dPlan& plan, Conv2dPass pass, const DeviceInputs<T>& in,
                              const Conv2dShape& s, Context& context) {
  const bool forward = pass == Conv2dPass::forward;
  DeviceArray<T> result(static_cast<std::size_t>(forward ? s.output_size() : s.input_size()));
  const kernels::Weight<float> weight{in.weight.get()};
  if (forward)
    conv2d_forward(plan, in.x.get(), weight, in.bias_or_null(), result.get(), s, context);
  else
    conv2d_backward_data(plan, in.dy.get(), weight, in.bias_or_null(), result.get(), s, context);
  return result.download();
}

template <class T>
std::vector<float> run_weight_pass(const Conv2dPlan& plan, const DeviceInputs<T>& in,
                                   const Conv2dShape& s, Context& context) {
  DeviceArray<float> result(static_cast<std::size_t>(s.weight_size()));
  conv2d_backward_weight(plan, in.x.get(), in.dy.get(), result.get(), s, context);
  return result.download();
}

/// Every plan that can compute this, with several counts of splits where there are any.
std::vector<Conv2dPlan> plans_of(Conv2dPass pass, const Conv2dShape& shape,
                                 const Conv2dFacts& facts) {
  std::vector<Conv2dPlan> plans;
  for (Conv2dPlan plan : rank_conv2d_plans(pass, shape, facts)) {
    plans.push_back(plan);
    if (pass != Conv2dPass::backward_weight) continue;
    for (const int splits : {1, 3})
      if (splits != plan.splits)
        plans.push_back({.algorithm = plan.algorithm, .tile = plan.tile, .splits = splits});
  }
  return plans;
}

template <class T>
void check_plans(const CudaConvCase& c, Conv2dPass pass, Context& context) {
  Inputs in = make_inputs(c.shape, pass);
  in.x = widened(rounded<T>(in.x));
  in.dy = widened(rounded<T>(in.dy));
  in.weight = widened(rounded<float>(in.weight));
  in.bias = widened(rounded<float>(in.bias));
  const DeviceInputs<T> device(in);
  const Conv2dFacts facts = conv2d_facts<T>(context);
  for (const Conv2dPlan& plan : plans_of(pass, c.shape, facts)) {
    INFO(c.remark << ", " << c.shape.to_string() << ", " << name_of(pass) << ", " << to_string(plan)
                  << ", " << plan.splits << " splits");
    const Expected expected = by_definition(as_seen_by(plan, facts.math, in), pass, c.shape);
    if (pass == Conv2dPass::backward_weight)
      CHECK(mismatch(run_weight_pass(plan, device, c.shape, context), expected) == "");
    else
      CHECK(mismatch(run_image_pass(plan, pass, device, c.shape, context), expected) == "");
  }
}

template <class T>
void check_cases(const std::vector<CudaConvCase>& cases, Context& context) {
  for (const CudaConvCase& c : cases)
    for (const Conv2dPass pass : kPasses)
      check_plans<T>(c, pass, context);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T>
void check_orders(const Conv2dShape& shape, Conv2dPass pass, Context& context) {
  const DeviceInputs<T> in(make_inputs(shape, pass));
  for (const Conv2dPlan& plan : plans_of(pass, shape, conv2d_facts<T>(context))) {
    INFO(shape.to_string() << ", " << name_of(pass) << ", " << to_string(plan) << ", "
                           << plan.splits << " splits");
    std::vector<std::vector<T>> images;
    std::vector<std::vector<float>> weights;
    in_every_order([&] {
      if (pass == Conv2dPass::backward_weight)
        weights.push_back(run_weight_pass(plan, in, shape, context));
      else
        images.push_back(run_image_pass(plan, pass, in, shape, context));
    });
    for (const auto& image : images)
      CHECK(same_bits(image, images.front()));
    for (const auto& weight : weights)
      CHECK(same_bits(weight, weights.front()));
  }
}

}  // namespace

TEST_CASE("conv2d on CUDA equals the definition on small shapes", "[conv2d][cuda]") {
  check_cases<float>(small_cuda_convs(), test_context());
  check_cases<bfloat16>(small_cuda_convs(), test_context());
}

TEST_CASE("conv2d on CUDA equals the definition in float32", "[conv2d][cuda]") {
  check_cases<float>(tiled_cuda_convs(), test_context());
  check_cases<float>(picture_cuda_convs(), test_context());
}

TEST_CASE("conv2d on CUDA equals the definition in TF32", "[conv2d][cuda]") {
  check_cases<float>(tiled_cuda_convs(), test_context_tf32());
  check_cases<float>(picture_cuda_convs(), test_context_tf32());
}

TEST_CASE("conv2d on CUDA equals the definition in bfloat16", "[conv2d][cuda][bfloat16]") {
  check_cases<bfloat16>(tiled_cuda_convs(), test_context());
  check_cases<bfloat16>(picture_cuda_convs(), test_context());
}

TEST_CASE("conv2d on CUDA gives the same bits in every order of threads and blocks",
          "[conv2d][cuda]") {
  const Conv2dShape shapes[] = {same_shape(2, 9, 11, 24, 40, 5, 5, 2, 2),
                                same_shape(2, 12, 19, 3, 64, 5, 5, 2, 2),
                                same_shape(2, 5, 6, 3, 7, 3, 3, 1, 1)};
  for (const Conv2dShape& shape : shapes)
    for (const Conv2dPass pass : kPasses) {
      check_orders<float>(shape, pass, test_context_tf32());
      check_orders<bfloat16>(shape, pass, test_context());
    }
}

TEST_CASE("conv2d on CUDA is right where a block computes several tiles", "[conv2d][cuda]") {
  // Persistent kernels start as many blocks as the device holds; pretend that it holds two.
  Context tf32 = test_context_tf32(), bf16 = test_context();
  tf32.sm_count = bf16.sm_count = 1;
  const CudaConvCase pictures[] = {
      {"stride 2", same_shape(3, 41, 40, 3, 8, 5, 5, 2, 2)},
      {"stride 1", same_shape(2, 35, 33, 3, 8, 3, 3, 1, 1)},
  };
  for (const CudaConvCase& c : pictures)
    for (const Conv2dPass pass : kPasses) {
      check_plans<float>(c, pass, tf32);
      check_plans<bfloat16>(c, pass, bf16);
      check_orders<bfloat16>(c.shape, pass, bf16);
    }
}

TEST_CASE("conv2d on CUDA without bias is the one with a bias of zeros", "[conv2d][cuda]") {
  const Conv2dShape shape = same_shape(2, 9, 11, 24, 40, 5, 5, 2, 2);
  for (const Conv2dPass pass : {Conv2dPass::forward, Conv2dPass::backward_data}) {
    Inputs with = make_inputs(shape, pass), without = with;
    with.bias.assign(with.bias.size(), 0.0);
    without.bias.clear();
    const DeviceInputs<bfloat16> zeros(with), none(without);
    for (const Conv2dPlan& plan : plans_of(pass, shape, conv2d_facts<bfloat16>(test_context())))
      CHECK(same_bits(run_image_pass(plan, pass, zeros, shape, test_context()),
                      run_image_pass(plan, pass, none, shape, test_context())));
  }
}

TEST_CASE("conv2d on CUDA takes arrays that are not aligned to 16 bytes", "[conv2d][cuda]") {
  // Whoever slices a tensor gets those; kernels with wide accesses must leave them alone.
  const Conv2dShape shape = same_shape(1, 6, 5, 8, 8, 3, 3, 1, 1);
  const Inputs in = make_inputs(shape, Conv2dPass::forward);
  Values shifted = in.x;
  shifted.insert(shifted.begin(), 0.0);
  const DeviceArray<float> x(rounded<float>(shifted)), weight(rounded<float>(in.weight));
  DeviceArray<float> y(static_cast<std::size_t>(shape.output_size()));
  kernels::cuda::conv2d_forward(x.get() + 1, kernels::Weight<float>{weight.get()}, nullptr, y.get(),
                                shape, test_context_tf32());
  const Expected expected =
      by_definition({widened(rounded<float>(in.x)), widened(rounded<float>(in.weight)), {}, {}},
                    Conv2dPass::forward, shape);
  CHECK(mismatch(y.download(), expected) == "");
}

TEST_CASE("conv2d on CUDA uses the bfloat16 copy of a weight until it is cleared",
          "[conv2d][cuda][bfloat16]") {
  const Conv2dShape shape = same_shape(1, 4, 4, 8, 8, 3, 3, 1, 1);
  const Inputs in = make_inputs(shape, Conv2dPass::forward);
  const DeviceArray<bfloat16> x(rounded<bfloat16>(in.x));
  DeviceArray<float> weight(rounded<float>(in.weight));
  DeviceArray<bfloat16> y(static_cast<std::size_t>(shape.output_size()));
  kernels::PackedWeights packed;
  const auto run = [&] {
    conv2d_forward({.algorithm = Conv2dAlgorithm::mma}, x.get(),
                   kernels::Weight<float>{weight.get(), &packed},
                   static_cast<const float*>(nullptr), y.get(), shape, test_context());
    return y.download();
  };
  const std::vector<bfloat16> first = run();
  weight.upload(std::vector<float>(in.weight.size(), 0.0f));
  CHECK(same_bits(run(), first));
  packed.clear();
  CHECK(same_bits(run(), std::vector<bfloat16>(y.size(), bfloat16(0.0f))));
}

TEST_CASE("conv2d on CUDA says that a plan does not fit a shape", "[conv2d][cuda][errors]") {
  const Conv2dShape shape = same_shape(1, 4, 4, 7, 8, 3, 3, 1, 1);
  const DeviceInputs<bfloat16> in(make_inputs(shape, Conv2dPass::forward));
  CHECK_THROWS_WITH(run_image_pass({.algorithm = Conv2dAlgorithm::mma}, Conv2dPass::forward, in,
                                   shape, test_context()),
                    Catch::Contains("conv2d: the plan 256x128 does not compute x [1,4,4,7]"));
}

}  // namespace whisker::testing
