// Every kind of bug that the simulator is to find, once broken and once not.
#include "bugs.h"

#include <cstdlib>
#include <fstream>
#include <vector>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/asan.h>
#include <whisker/kernels/sim/config.h>
#include <whisker/kernels/sim/thread.h>

#include "catch.h"
#include "file_fixtures.h"

using namespace whisker;
using namespace whisker::testing;
using file_fixtures::ContainsSubstring;
using kernels::sim::Config;
using kernels::sim::ConfigScope;
using kernels::sim::kChecking;
using kernels::sim::Order;

namespace {

/// What finds a bug when the checker is not there.
enum class Plain {
  kReport,   // the same report as with the checker, in every order
  kNumbers,  // a report or wrong numbers, in one order at least
  kNothing,
  kCrash  // it may, so it is not tried
};

struct Bug {
  const char* name;  // as in the comments of the kernels
  Outcome (*run)(Variant);
  Plain plain;
  std::vector<std::string> texts;  // in the report of the checker
  const char* file = nullptr;      // of the line in the report
  bool stops_sanitizers = false;   // the process would end
};

#define WHISKER_BUG(name) #name, name
const char* const kShared = "shared_bugs.cu";
const char* const kDevice = "device_bugs.cu";

const std::vector<Bug>& bugs() {
  static const std::vector<Bug> all{
      {WHISKER_BUG(missing_barrier_before_read),
       Plain::kNumbers,
       {"kernel mirror", "of tile"},
       kShared},
      {WHISKER_BUG(missing_barrier_before_overwrite),
       Plain::kNumbers,
       {"kernel twice_mirror", "race within a block", "write of 4 bytes"},
       kShared},
      {WHISKER_BUG(missing_syncwarp), Plain::kNumbers, {"kernel warp_mirror", "of tile"}, kShared},
      {WHISKER_BUG(uninitialised_shared_read),
       Plain::kNumbers,
       {"uninitialised memory", "byte 252 of tile (256 bytes of shared memory)"},
       kShared},
      {WHISKER_BUG(shared_write_past_end),
       Plain::kReport,
       {"kernel shifted_write", "tile"},
       nullptr,
       true},
      {WHISKER_BUG(row_overflow),
       Plain::kNothing,
       {"out of bounds: index 32 into", "[32]"},
       kShared,
       true},
      {WHISKER_BUG(neighbouring_bytes),
       Plain::kNothing,
       {"race within a block", "write of 1 bytes"},
       nullptr},
      {WHISKER_BUG(missing_copy_wait),
       Plain::kNumbers,
       {"missing wait", "before the asynchronous copy"},
       kShared},
      {WHISKER_BUG(copy_never_waited_for),
       Plain::kReport,
       {"cp.async copies that it never waited for"}},
      {WHISKER_BUG(divergent_barrier),
       Plain::kReport,
       {"divergent barrier", "block (0,0,0), thread ("},
       kShared},
      {WHISKER_BUG(exit_before_barrier), Plain::kReport, {"divergent barrier", "exited"}, kShared},
      {WHISKER_BUG(divergent_shuffle),
       Plain::kReport,
       {"divergent warp", "__shfl_xor_sync", "__shfl_sync"},
       kShared},
      {WHISKER_BUG(shuffle_outside_mask),
       Plain::kReport,
       {"__shfl_xor_sync at", "not in its"},
       kShared},
      {WHISKER_BUG(deadlock),
       Plain::kReport,
       {"deadlock", "wait in __syncthreads at", "62 threads", "wait in __syncwarp at"},
       kShared},
      {WHISKER_BUG(write_past_end), Plain::kReport, {"write_ones", "of 256 bytes"}, nullptr, true},
      {WHISKER_BUG(read_past_end),
       Plain::kNumbers,
       {"out of bounds: read of 4 bytes at device memory 0 bytes past the end", "thread (63,0,0)"},
       kDevice,
       true},
      {WHISKER_BUG(uninitialised_device_read), Plain::kNumbers, {"uninitialised memory"}, nullptr},
      {WHISKER_BUG(use_after_free),
       Plain::kNumbers,
       {"out of bounds", "shifted_copy"},
       nullptr,
       true},
      {WHISKER_BUG(misaligned_vector), Plain::kCrash, {"misaligned"}, kDevice, true},
      {WHISKER_BUG(pageable_pointer),
       Plain::kNothing,
       {"pageable host memory: read of 4 bytes", "shifted_copy"},
       nullptr},
      {WHISKER_BUG(blocks_add_without_atomics),
       Plain::kNothing,
       {"race between blocks", "kernel count"},
       kDevice},
      {WHISKER_BUG(atomic_and_store),
       Plain::kNumbers,
       {"race between blocks", "atomic operation"},
       kDevice},
      {WHISKER_BUG(last_block_without_fence), Plain::kNothing, {"race between blocks"}, kDevice},
      {WHISKER_BUG(missing_event_before_read),
       Plain::kNumbers,
       {"race between streams", "write_ones", "add_one"},
       nullptr},
      {WHISKER_BUG(missing_event_before_overwrite),
       Plain::kNothing,
       {"race between streams", "overwrite", "add_one"},
       nullptr},
      {WHISKER_BUG(missing_edge_in_graph), Plain::kNumbers, {"race between streams"}, nullptr},
      {WHISKER_BUG(freed_while_in_use),
       Plain::kNothing,
       {"race between streams", "cudaFreeAsync"},
       nullptr},
  };
  return all;
}

/// "file:line" of the line that has the comment "bug: name".
std::string line_of(const Bug& bug) {
  std::ifstream source(std::string(WHISKER_SOURCE_DIR) + "/tests/sim/" + bug.file);
  const std::string comment = std::string("// bug: ") + bug.name;
  std::string line;
  for (int number = 1; std::getline(source, line); ++number)
    if (line.size() >= comment.size() &&
        line.compare(line.size() - comment.size(), comment.size(), comment) == 0)
      return str(bug.file, ":", number);
  return "no such comment: " + comment;
}

std::vector<Config> orders() {
  std::vector<Config> all(5, kernels::sim::config());
  all[0].order = Order::kForward;
  all[1].order = Order::kReverse;
  for (std::size_t i = 2; i < all.size(); ++i) {
    all[i].order = Order::kRandom;
    all[i].block_order = Order::kRandom;
    all[i].seed = i;
  }
  return all;
}

Outcome run(const Bug& bug, Variant variant, const Config& config) {
  kernels::sim::reset();
  const ConfigScope scope(config);
  const Outcome outcome = bug.run(variant);
  kernels::sim::reset();
  return outcome;
}

bool has_all(const Bug& bug, const std::string& report) {
  INFO(bug.name << ": " << report);
  bool all = !report.empty();
  for (const std::string& text : bug.texts) {
    CHECK_THAT(report, ContainsSubstring(text));
    all = all && report.find(text) != std::string::npos;
  }
  if (bug.file) {
    CHECK_THAT(report, ContainsSubstring(line_of(bug)));
  }
  return all;
}

}  // namespace

TEST_CASE("Correct kernels are right and raise no report in any order", "[sim]") {
  for (const Bug& bug : bugs())
    for (const Config& config : orders()) {
      const Outcome outcome = run(bug, Variant::kCorrect, config);
      INFO(bug.name << ", order " << static_cast<int>(config.order));
      CHECK(outcome.report == "");
      CHECK(outcome.right);
    }
}

TEST_CASE("Every bug is found where it is said to be found", "[sim]") {
  for (const Bug& bug : bugs()) {
    if (!kChecking && bug.plain == Plain::kCrash) continue;
    if (kernels::sim::kAddressSanitizer && bug.stops_sanitizers) continue;
    bool found_once = false, found_always = true;
    for (const Config& config : orders()) {
      const Outcome outcome = run(bug, Variant::kBroken, config);
      const bool found = !outcome.report.empty() || !outcome.right;
      found_once = found_once || found;
      found_always = found_always && !outcome.report.empty();
      if (kChecking || bug.plain == Plain::kReport) has_all(bug, outcome.report);
    }
    INFO(bug.name);
    if (kChecking || bug.plain == Plain::kReport) CHECK(found_always);
    if (!kChecking && bug.plain == Plain::kNumbers) CHECK(found_once);
    // If this begins to fail, the plain mode has learnt something: say so above.
    if (!kChecking && bug.plain == Plain::kNothing) CHECK_FALSE(found_once);
  }
}

// Ends the process, so it is hidden; tests/CMakeLists.txt runs it for each of these bugs.
TEST_CASE("The sanitizers stop at the bug named by WHISKER_TEST_BUG", "[.][sanitized]") {
  const char* name = std::getenv("WHISKER_TEST_BUG");
  REQUIRE(name != nullptr);
  for (const Bug& bug : bugs())
    if (std::string(bug.name) == name) run(bug, Variant::kBroken, orders().front());
  FAIL("no sanitizer stopped at the bug");
}
