#include <whisker/kernels/sim/config.h>

#include "catch.h"

using namespace whisker::kernels::sim;

TEST_CASE("A configuration ends with its scope", "[sim]") {
  const Order before = config().order;
  {
    Config changed = config();
    changed.order = Order::kRandom;
    const ConfigScope scope(changed);
    CHECK(config().order == Order::kRandom);
  }
  CHECK(config().order == before);
}
