#include <cmath>
#include <functional>
#include <memory>

#include <whisker/kernels/cuda/activity.h>
#include <whisker/kernels/optimizer.h>

#include "catch.h"
#include "kernel_test.h"

using namespace whisker;
using namespace whisker::testing;
using namespace whisker::kernels;

namespace {

struct Size {
  std::size_t n, offset;
};

/// What one call updates: arrays of all sizes, empty and misaligned ones among them, and many.
std::vector<std::vector<Size>> size_lists() {
  std::vector<Size> many(150, {5, 0});  // more than one launch takes
  many[77] = {4097, 1};
  return {{{0, 0}}, {{1, 0}, {1030, 1}, {0, 0}, {4096, 0}, {80'001, 0}}, many};
}

/// A parameter, its gradient and slots.
struct State {
  std::vector<double> theta, g;
  std::vector<double> slots[2];

  State(std::size_t n, std::uint32_t seed) {
    const auto count = static_cast<std::int64_t>(n);
    theta = random_values<float>(count, seed);
    g = random_values<float>(count, seed + 1);
    slots[0] = random_values<float>(count, seed + 2);
    slots[1] = random_values<float>(count, seed + 3, 0.01, 1.0);
  }
};

/// The arrays of a state in device memory, with room for the bfloat16 copy.
struct DeviceState {
  std::size_t n;
  DeviceSlice<float> theta, g, slot0, slot1;
  DeviceSlice<bfloat16> copy;

  DeviceState(const State& s, std::size_t offset)
      : n(s.theta.size()),
        theta(s.theta, offset),
        g(s.g, offset),
        slot0(s.slots[0], offset),
        slot1(s.slots[1], offset),
        copy(s.theta.size(), offset) {}
};

using Segments = std::span<const Segment<float>>;
using Update = std::function<void(Segments segments)>;
using Definition = std::function<void(double g, double& theta, double& slot0, double& slot1)>;

/// Which of a state's slots and copy an update gets.
struct Given {
  std::vector<int> slots;
  bool copy = false;
};

Segment<float> segment_of(const DeviceState& s, const Given& given) {
  Segment<float> segment{.theta = s.theta.get(),
                         .g = s.g.get(),
                         .slots = {},
                         .n = static_cast<std::int64_t>(s.n),
                         .copy = given.copy ? s.copy.get() : nullptr};
  for (std::size_t k = 0; k < given.slots.size(); ++k)
    segment.slots[k] = (given.slots[k] == 0 ? s.slot0 : s.slot1).get();
  return segment;
}

/// Values are of size 1, gradients divided by roots of 0.1 at least: a dozen roundings of float.
constexpr double kTolerance = 16.0 * kFloatRounding;

void check_update(const Update& update, const Definition& definition, const Given& given) {
  for (const std::vector<Size>& sizes : size_lists()) {
    CAPTURE(sizes.size());
    std::vector<State> start;
    for (const Size size : sizes)
      start.emplace_back(size.n, static_cast<std::uint32_t>(10 * start.size()));
    const Results results = run_in_all_orders([&]() -> Results {
      std::vector<std::unique_ptr<DeviceState>> states;
      std::vector<Segment<float>> segments;
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        states.push_back(std::make_unique<DeviceState>(start[i], sizes[i].offset));
        segments.push_back(segment_of(*states[i], given));
      }
      const std::uint64_t before = cuda::activity.launches;
      update(segments);
      CHECK(cuda::activity.launches - before == (sizes[0].n == 0 ? 0 : 1 + sizes.size() / 77));
      Results out;
      for (const auto& s : states) {
        out.insert(out.end(), {s->theta.download(), s->slot0.download(), s->slot1.download()});
        if (given.copy) out.push_back(s->copy.download());
      }
      return out;
    });
    auto result = results.begin();
    for (State expected : start) {
      for (std::size_t i = 0; i < expected.theta.size(); ++i)
        definition(expected.g[i], expected.theta[i], expected.slots[0][i], expected.slots[1][i]);
      const std::vector<double>& theta = *result++;
      CHECK(mismatch(theta, expected.theta, kTolerance, kTolerance) == "");
      CHECK(mismatch(*result++, expected.slots[0], kTolerance, kTolerance) == "");
      CHECK(mismatch(*result++, expected.slots[1], kTolerance, kTolerance) == "");
      // The copy is the new parameter rounded, exactly.
      if (given.copy)
        CHECK(mismatch(*result++, to_doubles(from_doubles<bfloat16>(theta)), 0.0, 0.0) == "");
    }
  }
}

const AdamStep kAdam{.step_size = 0.01,
                     .beta1 = 0.5,
                     .beta2 = 0.999,
                     .epsilon = 0.125,  // as large as the root beside it, so that its place shows
                     .inverse_sqrt_correction = 1.25};

void adam_definition(double g, double& theta, double& m, double& v) {
  m = 0.5 * m + 0.5 * g;
  v = 0.999 * v + (1.0 - 0.999) * g * g;
  theta -= 0.01 * m / (std::sqrt(v) * 1.25 + 0.125);
}

}  // namespace

TEST_CASE("Adam updates parameters, moments and the bfloat16 copy in one launch",
          "[cuda][optimizer]") {
  for (const bool copy : {true, false})
    check_update([](Segments segments) { cuda::adam_update(segments, kAdam, test_context()); },
                 adam_definition, {.slots = {0, 1}, .copy = copy});
}

TEST_CASE("Adam takes its step from device memory", "[cuda][optimizer]") {
  check_update(
      [](Segments segments) {
        const DeviceArray<AdamStep> step(std::vector<AdamStep>{kAdam});
        cuda::adam_update(segments, step.get(), test_context());
      },
      adam_definition, {.slots = {0, 1}});
}

TEST_CASE("Updates change nothing once a number that is none was found", "[cuda][optimizer]") {
  const Definition nothing = [](double, double&, double&, double&) {};
  const Given given{.slots = {0, 1}};
  for (const bool blocked : {true, false}) {
    CAPTURE(blocked);
    check_update(
        [&](Segments segments) {
          const DeviceArray<std::int32_t> first_bad(
              std::vector<std::int32_t>{blocked ? 3 : kAllFinite});
          StepSource<AdamStep> step(kAdam);
          step.first_bad = first_bad.get();
          cuda::adam_update(segments, step, test_context());
        },
        blocked ? nothing : Definition(adam_definition), given);
  }
}

TEST_CASE("SGD updates with and without momentum", "[cuda][optimizer]") {
  for (const bool nesterov : {false, true}) {
    CAPTURE(nesterov);
    const SgdStep step{.learning_rate = 0.1, .momentum = 0.9, .nesterov = nesterov};
    check_update([&](Segments segments) { cuda::sgd_update(segments, step, test_context()); },
                 [=](double g, double& theta, double& velocity, double&) {
                   velocity = 0.9 * velocity + g;
                   theta -= 0.1 * (nesterov ? g + 0.9 * velocity : velocity);
                 },
                 {.slots = {0}, .copy = true});
  }
  const SgdStep plain{.learning_rate = 0.1, .momentum = 0.0, .nesterov = false};
  check_update([&](Segments segments) { cuda::sgd_update(segments, plain, test_context()); },
               [](double g, double& theta, double&, double&) { theta -= 0.1 * g; },
               {.slots = {}, .copy = true});
}

TEST_CASE("RMSprop updates with both placements of epsilon", "[cuda][optimizer]") {
  for (const bool inside : {false, true}) {
    CAPTURE(inside);
    const RmsPropStep step{
        .learning_rate = 0.01, .decay = 0.9, .epsilon = 0.125, .epsilon_inside_root = inside};
    check_update([&](Segments segments) { cuda::rmsprop_update(segments, step, test_context()); },
                 [=](double g, double& theta, double&, double& square) {
                   square = 0.9 * square + (1.0 - 0.9) * g * g;
                   theta -=
                       0.01 * g / (inside ? std::sqrt(square + 0.125) : std::sqrt(square) + 0.125);
                 },
                 {.slots = {1}, .copy = true});
  }
}

TEST_CASE("Averages move towards the value", "[cuda][optimizer]") {
  const Definition definition = [](double value, double& average, double&, double&) {
    average = 0.99 * average + (1.0 - 0.99) * value;
  };
  check_update([](Segments segments) { cuda::average_update(segments, 0.99, test_context()); },
               definition, {});
  check_update(
      [](Segments segments) {
        const DeviceArray<double> decay(std::vector<double>{0.99});
        cuda::average_update(segments, decay.get(), test_context());
      },
      definition, {});
}
