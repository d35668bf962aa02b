#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include <whisker/kernels/cpu/machine.h>
#include <whisker/kernels/sim/block.h>
#include <whisker/kernels/sim/grid.h>
#include <whisker/kernels/sim/launch_record.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

/// One kernel under way: workers take block after block until all are done or one failed.
class GridRun {
 public:
  explicit GridRun(const Launch& launch)
      : launch_(launch), blocks_(std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z) {
    const Order order = config().block_order;
    reversed_ = order == Order::kReverse;
    if (order != Order::kRandom) return;
    shuffled_.resize(blocks_);
    for (std::uint64_t i = 0; i < blocks_; ++i)
      shuffled_[i] = i;
    std::shuffle(shuffled_.begin(), shuffled_.end(), std::mt19937_64(config().seed));
  }

  void work(BlockRunner& runner) {
    while (!failed_) {
      const std::uint64_t i = next_++;
      if (i >= blocks_) return;
      const std::uint64_t rank =
          !shuffled_.empty() ? shuffled_[i] : (reversed_ ? blocks_ - 1 - i : i);
      std::string report = runner.run(launch_, rank);
      if (report.empty()) continue;
      const std::lock_guard lock(mutex_);
      if (!failed_.exchange(true)) report_ = std::move(report);
    }
  }

  std::uint64_t blocks() const { return blocks_; }
  std::string take_report() { return std::move(report_); }

 private:
  const Launch& launch_;
  std::uint64_t blocks_;
  bool reversed_ = false;
  std::vector<std::uint64_t> shuffled_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::string report_;
};

/// The OS threads besides the caller's; they stay for the next kernel.
class Workers {
 public:
  Workers() = default;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_)
      thread.join();
  }

  void run(GridRun& grid, std::size_t helpers) {
    {
      const std::lock_guard lock(mutex_);
      while (threads_.size() < helpers)
        threads_.emplace_back([this, index = threads_.size()] { serve(index); });
      grid_ = &grid;
      helpers_ = helpers;
      busy_ = helpers;
      ++generation_;
    }
    if (helpers > 0) wake_.notify_all();
    grid.work(own_);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return busy_ == 0; });
    grid_ = nullptr;
  }

 private:
  void serve(std::size_t index) {
    BlockRunner runner;
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stop_ || (generation_ != seen && index < helpers_ && grid_); });
      if (stop_) return;
      seen = generation_;
      GridRun* grid = grid_;
      lock.unlock();
      grid->work(runner);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  BlockRunner own_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  GridRun* grid_ = nullptr;
  std::uint64_t generation_ = 0;
  std::size_t helpers_ = 0, busy_ = 0;
  bool stop_ = false;
};

}  // namespace

std::string run_grid(const Launch& launch) {
  static Workers workers;
  GridRun grid(launch);
  static const int cpus = cpu::usable_cpus();
  int threads = config().threads;
  if (threads == 0) threads = cpus;
  if (kChecking) threads = 1;  // the checker's records have no locks
  const auto useful =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(threads, 1)), grid.blocks());
  workers.run(grid, static_cast<std::size_t>(useful) - 1);
  std::string report = grid.take_report();
  if (report.empty()) record_launch(launch);
  return report;
}

}  // namespace whisker::inline v0_1::kernels::sim
