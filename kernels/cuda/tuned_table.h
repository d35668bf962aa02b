// What was measured to be the fastest for each problem on each device.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace whisker::inline v0_1::kernels::cuda {

/// Key orders problems, in any way. To be made by new and never destroyed: static objects of the
/// program may still call kernels at exit.
template <class Key, class Plan>
class TunedTable {
 public:
  /// Replaces what is known of a device.
  void set(int device, std::map<Key, Plan> plans) {
    const std::lock_guard lock(mutex_);
    by_device_[device] = std::move(plans);
  }
  std::optional<Plan> find(int device, const Key& key) const {
    const std::lock_guard lock(mutex_);
    const auto plans = by_device_.find(device);
    if (plans == by_device_.end()) return std::nullopt;
    const auto plan = plans->second.find(key);
    return plan == plans->second.end() ? std::nullopt : std::optional(plan->second);
  }

 private:
  mutable std::mutex mutex_;
  std::map<int, std::map<Key, Plan>> by_device_;
};

}  // namespace whisker::inline v0_1::kernels::cuda
