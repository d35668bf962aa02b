#define CATCH_CONFIG_RUNNER
#include "catch.h"
#include "device_array.h"

#ifndef WHISKER_SIM
#include <algorithm>
#include <iostream>
#include <string_view>
#endif

#ifdef WHISKER_SIM
#include <whisker/kernels/sim/config.h>

namespace {

#if CATCH_VERSION_MAJOR >= 3
using Listener = Catch::EventListenerBase;
#else
using Listener = Catch::TestEventListenerBase;
#endif

/// A kernel that fails in one test must not fail the next one.
class ResetBeforeTest : public Listener {
 public:
  using Listener::Listener;
  void testCaseStarting(const Catch::TestCaseInfo&) override { whisker::kernels::sim::reset(); }
};
CATCH_REGISTER_LISTENER(ResetBeforeTest)

}  // namespace
#endif

int main(int argc, char** argv) {
#ifndef WHISKER_SIM
  constexpr int kSkipped = 77;  // as tests/CMakeLists.txt tells CTest
  const auto lists = [](std::string_view argument) { return argument.starts_with("--list"); };
  int devices = 0;
  if (std::none_of(argv + 1, argv + argc, lists) &&
      (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0)) {
    std::cerr << "skipped: there is no CUDA device\n";
    return kSkipped;
  }
#endif
  return Catch::Session().run(argc, argv);
}
