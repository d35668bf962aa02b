// The limits of control groups, read from copies of the files that Linux shows.
#include <whisker/kernels/cpu/machine.h>

#include "catch.h"
#include "file_fixtures.h"

namespace whisker::testing {
namespace {

using kernels::cpu::cgroup_limits;
using kernels::cpu::CgroupLimits;
using Files = std::vector<std::pair<std::string, std::string>>;

/// The limits where the root folder holds these files.
CgroupLimits limits_of(const Files& files) {
  const file_fixtures::Folder root;
  for (const auto& [path, text] : files) {
    std::filesystem::create_directories((root.path() / path).parent_path());
    file_fixtures::write_text(root.path() / path, text);
  }
  return cgroup_limits(root.path());
}

constexpr const char* kMount2 =
    "24 30 0:21 / /proc rw - proc proc rw\n"
    "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

}  // namespace

TEST_CASE("without control groups there are no limits", "[machine]") {
  CHECK(!limits_of({}).cpus);
  CHECK(!limits_of({}).memory);
  const CgroupLimits torn = limits_of(
      {{"proc/self/mountinfo", "29 23\n\n- \n"}, {"proc/self/cgroup", "0\n::\nnonsense\n"}});
  CHECK(!torn.cpus);
  CHECK(!torn.memory);
}

TEST_CASE("the tightest limit of a group and those above it counts in version 2", "[machine]") {
  const CgroupLimits limits =
      limits_of({{"proc/self/mountinfo", kMount2},
                 {"proc/self/cgroup", "0::/user.slice/job.scope\n"},
                 {"sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n"},
                 {"sys/fs/cgroup/user.slice/memory.max", "max\n"},
                 {"sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n"},
                 {"sys/fs/cgroup/user.slice/job.scope/memory.max", "2147483648\n"}});
  CHECK(limits.cpus.value() == 1.5);
  CHECK(limits.memory.value() == 2147483648u);
}

TEST_CASE("within a container the mount itself is the process's group", "[machine]") {
  const Files files{{"sys/fs/cgroup/cpu.max", "50000 100000\n"},
                    {"sys/fs/cgroup/memory.max", "1000000\n"},
                    {"proc/self/mountinfo", kMount2}};
  for (const char* group : {"0::/\n", "0::/../../elsewhere\n", "0::/docker/not/shown/here\n"}) {
    INFO(group);
    Files all = files;
    all.emplace_back("proc/self/cgroup", group);
    const CgroupLimits limits = limits_of(all);
    CHECK(limits.cpus.value() == 0.5);
    CHECK(limits.memory.value() == 1000000u);
  }
}

TEST_CASE("limits of version 1 lie in the hierarchies of their controllers", "[machine]") {
  const CgroupLimits limits =
      limits_of({{"proc/self/mountinfo",
                  "31 29 0:28 /docker/a1 /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup "
                  "rw,cpu,cpuacct\n"
                  "32 29 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"},
                 {"proc/self/cgroup", "4:memory:/batch/7\n3:cpu,cpuacct:/docker/a1\n0::/\n"},
                 {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n"},
                 {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"},
                 {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
                 {"sys/fs/cgroup/memory/batch/memory.limit_in_bytes", "5000000\n"},
                 {"sys/fs/cgroup/memory/batch/7/memory.limit_in_bytes", "7000000\n"}});
  CHECK(limits.cpus.value() == 3.0);
  CHECK(limits.memory.value() == 5000000u);
}

TEST_CASE("no quota of version 1 is -1", "[machine]") {
  CHECK(!limits_of({{"proc/self/mountinfo", "31 29 0:28 / /cpu rw - cgroup cgroup rw,cpu\n"},
                    {"proc/self/cgroup", "3:cpu:/\n"},
                    {"cpu/cpu.cfs_quota_us", "-1\n"},
                    {"cpu/cpu.cfs_period_us", "100000\n"}})
             .cpus);
}

TEST_CASE("a process may use some of the machine", "[machine]") {
  CHECK(kernels::cpu::usable_cpus() >= 1);
  CHECK(kernels::cpu::usable_memory() > std::size_t{1} << 20);
}

}  // namespace whisker::testing
