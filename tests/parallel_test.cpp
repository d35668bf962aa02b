#include <atomic>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cpu/parallel.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {

TEST_CASE("every range of a parallel loop runs once, whatever the number of threads",
          "[parallel]") {
  for (const int threads : {1, 2, 5}) {
    const ThreadScope scope(threads);
    std::vector<std::atomic<int>> visits(103);
    kernels::cpu::parallel_for(103, 10, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        ++visits[static_cast<std::size_t>(i)];
    });
    for (const std::atomic<int>& count : visits)
      CHECK(count == 1);
  }
}

TEST_CASE("what the body of a parallel loop throws reaches the caller when all ranges are done",
          "[parallel]") {
  for (const int threads : {1, 2, 5}) {
    const ThreadScope scope(threads);
    std::atomic<int> done = 0;
    const std::string message = message_of([&] {
      kernels::cpu::parallel_for(8, 1, [&](std::int64_t i, std::int64_t) {
        if (i == 3) throw OutOfMemory("no memory for range 3");
        ++done;
      });
    });
    CHECK(message == "no memory for range 3");
    CHECK(done == 7);
  }
}

}  // namespace whisker::testing
