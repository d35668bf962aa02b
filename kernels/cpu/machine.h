// What this process may use of the machine: affinity and the limits of containers count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace whisker::inline v0_1::kernels::cpu {

/// The cores that this process may use at a time, at least 1: the CPUs of its affinity mask, or
/// fewer if its control groups have a quota of CPU time (cpu.max; cpu.cfs_quota_us in version 1).
int usable_cpus();

/// The bytes of memory that this process may use: the machine's, or fewer if its control groups
/// have a limit (memory.max; memory.limit_in_bytes in version 1).
std::size_t usable_memory();

/// The tightest limits of a process's control groups and of all groups above them; empty: none.
/// https://docs.kernel.org/admin-guide/cgroup-v2.html
struct CgroupLimits {
  std::optional<double> cpus;           // CPU time per time
  std::optional<std::uint64_t> memory;  // bytes
};
/// Reads root/proc/self/cgroup and root/proc/self/mountinfo and the files that these name, below
/// root; what is missing or malformed sets no limit.
CgroupLimits cgroup_limits(const std::filesystem::path& root = "/");

}  // namespace whisker::inline v0_1::kernels::cpu
