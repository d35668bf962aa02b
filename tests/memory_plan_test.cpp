#include "training/memory_plan.h"

#include "catch.h"
#include "catgan_fixtures.h"

using catgan::plan_memory;

TEST_CASE("The plan for the article's nets is near what was measured", "[memory_plan]") {
  const auto plan = plan_memory(catgan::make_preset("article"));
  // 1,352 MB were held at batch 8, weights of 41.5 million parameters among them.
  CHECK(plan.bytes(8) / 1e6 > 1000.0);
  CHECK(plan.bytes(8) / 1e6 < 1700.0);
  CHECK(plan.weights / 1e6 > 41.5 * 4 * 4);
}

TEST_CASE("A run that fits is not refused", "[memory_plan]") {
  catgan::check_memory(catgan_fixtures::tiny_config());
  catgan::check_memory(catgan::make_preset("demo"));
}
