#include <cmath>
#include <functional>

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
constexpr Size kSizes[] = {{0, 0}, {1, 0}, {1030, 0}, {1030, 1}, {80'001, 0}};

/// A parameter, its gradient and slots.
struct State {
  std::vector<double> theta, g;
  std::vector<double> slots[2];

  explicit State(std::size_t n) {
    const auto count = static_cast<std::int64_t>(n);
    theta = random_values<float>(count, 1);
    g = random_values<float>(count, 2);
    slots[0] = random_values<float>(count, 3);
    slots[1] = random_values<float>(count, 4, 0.01, 1.0);
  }
};

/// The arrays of a state in device memory, with room for the bfloat16 copy.
struct DeviceState {
  DeviceSlice<float> theta, g, slot0, slot1;
  DeviceSlice<bfloat16> copy;

  DeviceState(const State& s, std::size_t offset)
      : theta(s.theta, offset),
        g(s.g, offset),
        slot0(s.slots[0], offset),
        slot1(s.slots[1], offset),
        copy(s.theta.size(), offset) {}
};

using Update = std::function<void(const DeviceState& arrays, std::int64_t n)>;
using Definition = std::function<void(double g, double& theta, double& slot0, double& slot1)>;

/// Values are of size 1, gradients divided by roots of 0.1 at least: a dozen roundings of float.
constexpr double kTolerance = 16.0 * kFloatRounding;

void check_update(const Update& update, const Definition& definition, bool copies) {
  for (const Size size : kSizes) {
    CAPTURE(size.n, size.offset);
    State expected(size.n);
    const State start = expected;
    for (std::size_t i = 0; i < size.n; ++i)
      definition(expected.g[i], expected.theta[i], expected.slots[0][i], expected.slots[1][i]);
    const Results results = run_in_all_orders([&]() -> Results {
      const DeviceState arrays(start, size.offset);
      update(arrays, static_cast<std::int64_t>(size.n));
      Results out{arrays.theta.download(), arrays.slot0.download(), arrays.slot1.download()};
      if (copies) out.push_back(arrays.copy.download());
      return out;
    });
    CHECK(mismatch(results[0], expected.theta, kTolerance, kTolerance) == "");
    CHECK(mismatch(results[1], expected.slots[0], kTolerance, kTolerance) == "");
    CHECK(mismatch(results[2], expected.slots[1], kTolerance, kTolerance) == "");
    // The copy is the new parameter rounded, exactly.
    if (copies)
      CHECK(mismatch(results[3], to_doubles(from_doubles<bfloat16>(results[0])), 0.0, 0.0) == "");
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

TEST_CASE("Adam updates parameters, moments and the bfloat16 copy", "[cuda][optimizer]") {
  check_update(
      [](const DeviceState& s, std::int64_t n) {
        cuda::adam_update(s.theta.get(), s.g.get(), s.slot0.get(), s.slot1.get(), n, kAdam,
                          test_context(), s.copy.get());
      },
      adam_definition, true);
  check_update(
      [](const DeviceState& s, std::int64_t n) {
        cuda::adam_update(s.theta.get(), s.g.get(), s.slot0.get(), s.slot1.get(), n, kAdam,
                          test_context());
      },
      adam_definition, false);
}

TEST_CASE("Adam takes its step from device memory", "[cuda][optimizer]") {
  check_update(
      [](const DeviceState& s, std::int64_t n) {
        const DeviceArray<AdamStep> step(std::vector<AdamStep>{kAdam});
        cuda::adam_update(s.theta.get(), s.g.get(), s.slot0.get(), s.slot1.get(), n, step.get(),
                          test_context());
      },
      adam_definition, false);
}

TEST_CASE("Adam's schedule counts steps on the device", "[cuda][optimizer]") {
  for (const bool epsilon_hat : {true, false}) {
    CAPTURE(epsilon_hat);
    const DeviceArray<cuda::AdamSchedule> schedule(
        std::vector<cuda::AdamSchedule>{{.learning_rate = 2e-4,
                                         .beta1 = 0.5,
                                         .beta2 = 0.999,
                                         .epsilon = 1e-8,
                                         .epsilon_hat = epsilon_hat,
                                         .steps = 6}});
    const DeviceArray<AdamStep> step(1);
    for (int t = 7; t <= 9; ++t) {
      CAPTURE(t);
      cuda::adam_advance(schedule.get(), step.get(), test_context());
      const AdamStep s = step.download()[0];
      // Kingma & Ba 2015, section 2: both corrections in the rate, or m and v corrected.
      const double c1 = 1.0 - std::pow(0.5, t), c2 = 1.0 - std::pow(0.999, t);
      CHECK(s.step_size == Approx(2e-4 * (epsilon_hat ? std::sqrt(c2) : 1.0) / c1).epsilon(1e-12));
      CHECK(s.inverse_sqrt_correction ==
            Approx(epsilon_hat ? 1.0 : 1.0 / std::sqrt(c2)).epsilon(1e-12));
      CHECK((s.beta1 == 0.5 && s.beta2 == 0.999 && s.epsilon == 1e-8));
      CHECK(schedule.download()[0].steps == t);
    }
  }
}

TEST_CASE("SGD updates with and without momentum", "[cuda][optimizer]") {
  for (const bool nesterov : {false, true}) {
    CAPTURE(nesterov);
    check_update(
        [=](const DeviceState& s, std::int64_t n) {
          cuda::sgd_update(s.theta.get(), s.g.get(), s.slot0.get(), n,
                           SgdStep{.learning_rate = 0.1, .momentum = 0.9, .nesterov = nesterov},
                           test_context(), s.copy.get());
        },
        [=](double g, double& theta, double& velocity, double&) {
          velocity = 0.9 * velocity + g;
          theta -= 0.1 * (nesterov ? g + 0.9 * velocity : velocity);
        },
        true);
  }
  check_update(
      [](const DeviceState& s, std::int64_t n) {
        cuda::sgd_update(s.theta.get(), s.g.get(), nullptr, n,
                         SgdStep{.learning_rate = 0.1, .momentum = 0.0, .nesterov = false},
                         test_context(), s.copy.get());
      },
      [](double g, double& theta, double&, double&) { theta -= 0.1 * g; }, true);
}

TEST_CASE("RMSprop updates with both placements of epsilon", "[cuda][optimizer]") {
  for (const bool inside : {false, true}) {
    CAPTURE(inside);
    check_update(
        [=](const DeviceState& s, std::int64_t n) {
          cuda::rmsprop_update(s.theta.get(), s.g.get(), s.slot1.get(), n,
                               RmsPropStep{.learning_rate = 0.01,
                                           .decay = 0.9,
                                           .epsilon = 0.125,
                                           .epsilon_inside_root = inside},
                               test_context(), s.copy.get());
        },
        [=](double g, double& theta, double&, double& square) {
          square = 0.9 * square + (1.0 - 0.9) * g * g;
          theta -= 0.01 * g / (inside ? std::sqrt(square + 0.125) : std::sqrt(square) + 0.125);
        },
        true);
  }
}

TEST_CASE("Averages move towards the value", "[cuda][optimizer]") {
  const Definition definition = [](double value, double& average, double&, double&) {
    average = 0.99 * average + (1.0 - 0.99) * value;
  };
  check_update(
      [](const DeviceState& s, std::int64_t n) {
        cuda::average_update(s.theta.get(), s.g.get(), n, 0.99, test_context());
      },
      definition, false);
  check_update(
      [](const DeviceState& s, std::int64_t n) {
        const DeviceArray<double> decay(std::vector<double>{0.99});
        cuda::average_update(s.theta.get(), s.g.get(), n, decay.get(), test_context());
      },
      definition, false);
}
