#include <cmath>
#include <numbers>

#include <whisker/optim/schedule.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {

TEST_CASE("a warm-up rises linearly from 0 to 1 and stays there", "[schedule]") {
  CHECK(optim::warmup(0, 10) == 0.0);
  CHECK(optim::warmup(1, 10) == 0.1);
  CHECK(optim::warmup(5, 10) == 0.5);
  CHECK(optim::warmup(10, 10) == 1.0);
  CHECK(optim::warmup(1000000000000, 10) == 1.0);
  CHECK(optim::warmup(0, 0) == 1.0);
  CHECK(optim::warmup(-3, 10) == 0.0);
}

TEST_CASE("a linear decay waits, falls and rests", "[schedule]") {
  CHECK(optim::linear_decay(0, 100, 200) == 1.0);
  CHECK(optim::linear_decay(100, 100, 200) == 1.0);
  CHECK(optim::linear_decay(150, 100, 200) == 0.5);
  CHECK(optim::linear_decay(200, 100, 200) == 0.0);
  CHECK(optim::linear_decay(300, 100, 200) == 0.0);
  CHECK(optim::linear_decay(125, 100, 200, 0.2) == Approx(0.8));
  CHECK(optim::linear_decay(200, 100, 200, 0.2) == Approx(0.2));
  CHECK(optim::linear_decay(99, 100, 100) == 1.0);
  CHECK(optim::linear_decay(100, 100, 100) == 0.0);
}

TEST_CASE("a cosine decay is half a cosine", "[schedule]") {
  CHECK(optim::cosine_decay(0, 80) == 1.0);
  CHECK(optim::cosine_decay(40, 80) == Approx(0.5));
  CHECK(optim::cosine_decay(80, 80) == Approx(0.0).margin(1e-15));
  CHECK(optim::cosine_decay(81, 80) == Approx(0.0).margin(1e-15));
  CHECK(optim::cosine_decay(20, 80, 0.1) ==
        Approx(0.1 + 0.45 * (1.0 + std::cos(std::numbers::pi / 4.0))));
  CHECK(optim::cosine_decay(80, 80, 0.1) == Approx(0.1));
  CHECK(optim::cosine_decay(0, 0, 0.1) == Approx(0.1));
  double previous = 1.0;
  for (int step = 1; step <= 80; ++step) {
    const double factor = optim::cosine_decay(step, 80);
    CHECK(factor < previous);
    previous = factor;
  }
}

TEST_CASE("a schedule that ends before it begins is refused", "[schedule][errors]") {
  CHECK(message_of([] { optim::linear_decay(0, 200, 100); }) ==
        "schedule: begins at step 200, after its end at 100");
  CHECK_THROWS_AS(optim::warmup(0, -1), Error);
  CHECK_THROWS_AS(optim::cosine_decay(0, -1), Error);
}

}  // namespace whisker::testing
