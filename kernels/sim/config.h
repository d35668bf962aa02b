// How the simulator runs: from WHISKER_SIM_* in the environment, or set by tests.
#pragma once

#include <cstdint>

namespace whisker::inline v0_1::kernels::sim {

/// A bug that one order hides, another shows.
enum class Order { kForward, kReverse, kRandom };

struct Config {
  Order order = Order::kForward;        // WHISKER_SIM_ORDER=forward|reverse|random: threads, graphs
  Order block_order = Order::kForward;  // WHISKER_SIM_BLOCK_ORDER: blocks of a grid
  std::uint64_t seed = 1;               // WHISKER_SIM_SEED: of all random orders
  int threads = 0;       // WHISKER_SIM_THREADS: of the CPU; 0: all, checker: always 1
  bool protect = false;  // WHISKER_SIM_PROTECT=1: host access to device memory crashes
};

/// Read from the environment at first use; throws Error if a variable has no such value.
Config& config();

/// Changes the configuration for a scope.
class ConfigScope {
 public:
  explicit ConfigScope(const Config& changed) : previous_(config()) { config() = changed; }
  ~ConfigScope() { config() = previous_; }
  ConfigScope(const ConfigScope&) = delete;
  ConfigScope& operator=(const ConfigScope&) = delete;

 private:
  Config previous_;
};

/// Forgets a failed launch and everything that is queued, so that one process can go on after it.
/// Streams, events and memory stay. Not part of CUDA.
void reset();

}  // namespace whisker::inline v0_1::kernels::sim
