#define CATCH_CONFIG_RUNNER
#include "catch.h"
#include "device_array.h"

#ifndef WHISKER_SIM
#include <iostream>
#include <string_view>
#endif

#ifdef WHISKER_SIM
#include <whisker/kernels/sim/config.h>

namespace {

/// A kernel that fails in one test must not fail the next one.
class ResetBeforeTest : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo&) override { whisker::kernels::sim::reset(); }
};
CATCH_REGISTER_LISTENER(ResetBeforeTest)

}  // namespace
#endif

int main(int argc, char** argv) {
  return Catch::Session().run(argc, argv);
}
