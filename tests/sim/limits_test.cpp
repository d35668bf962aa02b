#include "limits.h"

#include <functional>

#include "catch.h"
#include "file_fixtures.h"

using namespace whisker;
using namespace whisker::testing;
using file_fixtures::ContainsSubstring;

namespace {

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("Impossible grids and blocks are refused at the launch", "[sim]") {
  const auto refusal = [](dim3 grid, dim3 block) {
    return message_of([&] { launch_nothing(grid, block); });
  };
  CHECK(refusal(1, 1024) == "no error");
  CHECK_THAT(refusal(1, 1025), ContainsSubstring("nothing: launch of 1x1x1 blocks of 1025x1x1") &&
                                   ContainsSubstring("a block has 1 to 1024 threads"));
  CHECK_THAT(refusal(1, dim3(1, 1, 65)), ContainsSubstring("a block has 1 to 1024 threads"));
  CHECK_THAT(refusal(0, 32), ContainsSubstring("a grid has at least one block"));
  CHECK_THAT(refusal(dim3(1, 65536), 32), ContainsSubstring("a grid is at most"));
  synchronize();
}

TEST_CASE("launch() raises the limit of dynamic shared memory up to the device's", "[sim]") {
  CHECK(dynamic_shared(1000) == 1);
  CHECK(dynamic_shared(227 * 1024) == 1);
  CHECK_THAT(message_of([] { dynamic_shared(227 * 1024 + 1); }),
             ContainsSubstring("dynamic: launch") &&
                 ContainsSubstring("a block has at most 232448 bytes of shared memory"));
}

TEST_CASE("Too much static shared memory is refused when the kernel runs", "[sim]") {
  CHECK_THAT(message_of([] { large_static_shared(); }),
             ContainsSubstring("large (49156 bytes) exceeds the 49152 bytes of static"));
}
