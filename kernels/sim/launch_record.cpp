#include <cerrno>  // program_invocation_short_name, glibc's
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <set>
#include <tuple>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/config.h>
#include <whisker/kernels/sim/launch_record.h>
#include <whisker/kernels/sim/location.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

const char* name_of(Order order) {
  switch (order) {
    case Order::kForward:
      return "forward";
    case Order::kReverse:
      return "reverse";
    case Order::kRandom:
      break;
  }
  return "random";
}

}  // namespace

void record_launch(const Launch& launch) {
  static const char* const folder = std::getenv("WHISKER_SIM_RECORD");
  if (!folder) return;
  static std::mutex mutex;
  static std::set<std::tuple<const void*, Order, Order>> known;
  const std::lock_guard lock(mutex);
  const auto [order, block_order] = std::pair(config().order, config().block_order);
  if (!known.emplace(launch.function, order, block_order).second) return;
  // One write of a short line: tests that run side by side append to the same file.
  const std::string path = str(folder, "/", program_invocation_short_name);
  std::ofstream file(path, std::ios::app);
  file << str(std::hex, file_address(launch.function), " ", name_of(order), " ",
              name_of(block_order), "\n")
       << std::flush;
  check(file.good(), "WHISKER_SIM_RECORD: cannot write to ", path);
}

}  // namespace whisker::inline v0_1::kernels::sim
