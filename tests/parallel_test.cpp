#include <atomic>
#include <thread>
#include <vector>

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

TEST_CASE("a parallel loop within another, and loops of several threads, run every range once",
          "[parallel]") {
  const ThreadScope scope(3);
  std::atomic<int> visits = 0;
  const auto nest = [&] {
    kernels::cpu::parallel_for(6, 1, [&](std::int64_t, std::int64_t) {
      kernels::cpu::parallel_for(5, 1, [&](std::int64_t, std::int64_t) { ++visits; });
    });
  };
  nest();
  CHECK(visits == 30);
  visits = 0;
  {
    std::vector<std::jthread> others;
    for (int i = 0; i < 4; ++i)
      others.emplace_back([&] {
        const ThreadScope own(3);
        for (int j = 0; j < 50; ++j)
          nest();
      });
  }
  CHECK(visits == 4 * 50 * 30);
}

TEST_CASE("thousands of short loops end, with more threads than cores", "[parallel]") {
  const ThreadScope scope(9);
  std::int64_t sum = 0;
  for (int loop = 0; loop < 5000; ++loop) {
    std::atomic<std::int64_t> visits = 0;
    kernels::cpu::parallel_for(
        2 + loop % 30, 1, [&](std::int64_t begin, std::int64_t end) { visits += end - begin; });
    sum += visits - (2 + loop % 30);
  }
  CHECK(sum == 0);
}

TEST_CASE("a scope's number of threads holds for the calling thread alone", "[parallel]") {
  const int before = kernels::cpu::threads();
  {
    const ThreadScope scope(before + 2);
    CHECK(kernels::cpu::threads() == before + 2);
    int elsewhere = 0;
    std::jthread([&] { elsewhere = kernels::cpu::threads(); }).join();
    CHECK(elsewhere == before);
  }
  CHECK(kernels::cpu::threads() == before);
  CHECK(message_of([] { kernels::cpu::set_threads(0); }) == "threads: 0 must be at least 1");
}

}  // namespace whisker::testing
