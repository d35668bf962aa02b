// The program that runs the tests; the same for Catch2 2 and 3. WHISKER_TEST_DEVICE=cuda runs every
// test with its tensors on the GPU, or on the simulator's.
#define CATCH_CONFIG_RUNNER
#include <cstdlib>
#include <iostream>
#include <string_view>

#include <whisker/core/device.h>

#include "catch.h"

int main(int argc, char** argv) {
  const char* device = std::getenv("WHISKER_TEST_DEVICE");
  constexpr int kSkipped = 77;  // as CMakeLists.txt tells CTest
  if (device && std::string_view(device) == "cuda" && whisker::cuda_device_count() == 0) {
    std::cerr << "skipped: there is no GPU\n";
    return kSkipped;
  }
  const whisker::DeviceScope scope(whisker::parse_device(device ? device : "cpu"));
  return Catch::Session().run(argc, argv);
}
