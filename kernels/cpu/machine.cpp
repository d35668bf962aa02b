#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <whisker/kernels/cpu/machine.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

namespace fs = std::filesystem;

/// A file system of control groups: version 2, or a controller of version 1.
struct Mount {
  std::string controllers;  // of version 1, between commas; empty: version 2
  fs::path root;            // the group that the mount shows
  fs::path point;           // where
};

bool has_controller(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

/// Lines of mountinfo: id parent device root point options [fields...] - type source options.
std::vector<Mount> cgroup_mounts(const fs::path& root) {
  std::vector<Mount> mounts;
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, parent, device, shown, point, word, type, source, options;
    words >> id >> parent >> device >> shown >> point;
    while (words >> word && word != "-") {
    }
    words >> type >> source >> options;
    if (type == "cgroup2") mounts.push_back({"", shown, point});
    if (type == "cgroup") mounts.push_back({options, shown, point});
  }
  return mounts;
}

/// The process's group in version 2 (controller ""), or in the hierarchy of a controller. Lines are
/// id:controllers:path.
std::optional<fs::path> group_of(const fs::path& root, const std::string& controller) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool found = controller.empty() ? controllers.empty() && line.starts_with("0:")
                                          : has_controller(controllers, controller);
    if (found) return line.substr(second + 1);
  }
  return {};
}

/// Calls read(folder) for the process's group and all groups above it that the mount shows.
template <class Read>
void for_each_group(const fs::path& root, const Mount& mount, const std::string& controller,
                    const Read& read) {
  const std::optional<fs::path> group = group_of(root, controller);
  if (!group) return;
  // Within a container the mount may show a part of the tree, or the group may lie outside of it.
  fs::path inside = group->lexically_relative(mount.root);
  if (inside.empty() || inside.native().starts_with("..")) inside = ".";
  const fs::path top = root / mount.point.relative_path();
  for (fs::path folder = (top / inside).lexically_normal();; folder = folder.parent_path()) {
    if (!folder.has_filename()) folder = folder.parent_path();
    read(folder);
    if (folder == top.lexically_normal() || !folder.has_relative_path()) break;
  }
}

/// The whitespace-separated integers of a file; "max" and what is no integer end them.
std::vector<std::int64_t> integers_of(const fs::path& path) {
  std::vector<std::int64_t> values;
  std::ifstream file(path);
  for (std::int64_t value; file >> value;)
    values.push_back(value);
  return values;
}

template <class T>
void lower(std::optional<T>& limit, T value) {
  limit = limit ? std::min(*limit, value) : value;
}

}  // namespace

CgroupLimits cgroup_limits(const fs::path& root) {
  CgroupLimits limits;
  const auto limit_cpus = [&](std::int64_t quota, std::int64_t period) {
    if (quota > 0 && period > 0)
      lower(limits.cpus, static_cast<double>(quota) / static_cast<double>(period));
  };
  const auto limit_memory = [&](const fs::path& path) {
    const auto values = integers_of(path);
    if (!values.empty() && values[0] >= 0)
      lower(limits.memory, static_cast<std::uint64_t>(values[0]));
  };
  for (const Mount& mount : cgroup_mounts(root)) {
    if (mount.controllers.empty())
      for_each_group(root, mount, "", [&](const fs::path& group) {
        const auto values = integers_of(group / "cpu.max");
        if (values.size() == 2) limit_cpus(values[0], values[1]);
        limit_memory(group / "memory.max");
      });
    if (has_controller(mount.controllers, "cpu"))
      for_each_group(root, mount, "cpu", [&](const fs::path& group) {
        const auto quota = integers_of(group / "cpu.cfs_quota_us");
        const auto period = integers_of(group / "cpu.cfs_period_us");
        if (!quota.empty() && !period.empty()) limit_cpus(quota[0], period[0]);
      });
    if (has_controller(mount.controllers, "memory"))
      for_each_group(root, mount, "memory",
                     [&](const fs::path& group) { limit_memory(group / "memory.limit_in_bytes"); });
  }
  return limits;
}

int usable_cpus() {
  int cpus = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1u));
  constexpr int kMostCpus = 1 << 16;
  cpu_set_t* const set = CPU_ALLOC(kMostCpus);
  const std::size_t bytes = CPU_ALLOC_SIZE(kMostCpus);
  if (set && ::sched_getaffinity(0, bytes, set) == 0) cpus = CPU_COUNT_S(bytes, set);
  if (set) CPU_FREE(set);
  if (const auto quota = cgroup_limits().cpus)
    cpus = std::min(cpus, static_cast<int>(std::ceil(std::min(*quota, 1e6))));
  return std::max(cpus, 1);
}

std::size_t usable_memory() {
  // Linux grants more than there is, and ends the program that uses it.
  const auto machine = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
                       static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(machine, cgroup_limits().memory.value_or(machine)));
}

}  // namespace whisker::inline v0_1::kernels::cpu
