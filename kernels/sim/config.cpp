#include <cstdlib>
#include <string>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/config.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Order order_of(const char* name) {
  const std::string value = variable(name);
  if (value.empty() || value == "forward") return Order::kForward;
  if (value == "reverse") return Order::kReverse;
  check(value == "random", name, ": expected forward, reverse or random, got '", value, "'");
  return Order::kRandom;
}

std::uint64_t number_of(const char* name, std::uint64_t otherwise) {
  const std::string value = variable(name);
  if (value.empty()) return otherwise;
  check(value.size() <= 9 && value.find_first_not_of("0123456789") == std::string::npos, name,
        ": expected a number of at most nine digits, got '", value, "'");
  return std::stoull(value);
}

Config from_environment() {
  Config read;
  read.order = order_of("WHISKER_SIM_ORDER");
  read.block_order = order_of("WHISKER_SIM_BLOCK_ORDER");
  read.seed = number_of("WHISKER_SIM_SEED", read.seed);
  read.threads = static_cast<int>(number_of("WHISKER_SIM_THREADS", 0));
  read.protect = number_of("WHISKER_SIM_PROTECT", 0) != 0;
  return read;
}

}  // namespace

Config& config() {
  static Config current = from_environment();
  return current;
}

}  // namespace whisker::inline v0_1::kernels::sim
