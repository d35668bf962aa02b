#include <dlfcn.h>
#include <elf.h>

#include <cstdio>
#include <map>
#include <memory>
#include <vector>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/location.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

constexpr Location kSite = 0x80000000u;
constexpr std::int64_t kReach = 0x40000000;  // of return addresses around the anchor

std::vector<cuda::CallSite>& sites() {
  static std::vector<cuda::CallSite> all;
  return all;
}

std::uintptr_t anchor() { return reinterpret_cast<std::uintptr_t>(&anchor); }

/// What addr2line takes: the address itself, or its offset in a position-independent file.
std::uintptr_t file_address(std::uintptr_t address, const Dl_info& info) {
  const auto* header = static_cast<const Elf64_Ehdr*>(info.dli_fbase);
  return header->e_type == ET_DYN ? address - reinterpret_cast<std::uintptr_t>(info.dli_fbase)
                                  : address;
}

std::string ask_addr2line(std::uintptr_t address) {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(address), &info) == 0) return "unknown source line";
  char command[4096];
  // A return address points behind the call. -i: the lines that it was inlined into follow.
  std::snprintf(command, sizeof command, "addr2line -i -e '%s' 0x%zx", info.dli_fname,
                file_address(address - 1, info));
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command, "r"), pclose);
  if (!pipe) return "unknown source line (no addr2line)";
  char line[4096];
  std::string text = "unknown source line";
  while (std::fgets(line, sizeof line, pipe.get())) {
    text = line;
    text = text.substr(0, text.find_first_of(" \n"));
    // What the simulator's own headers do, they do for the kernel.
    if (text.find("/kernels/sim/") == std::string::npos) break;
  }
  return text;
}

}  // namespace

Location location_of(const void* return_address) {
  const auto distance =
      static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(return_address) - anchor());
  if (distance < -kReach || distance >= kReach) return 0;
  return static_cast<Location>(distance + kReach);
}

Location location_of(const cuda::CallSite& site) {
  static std::map<std::pair<const char*, int>, Location> known;
  const auto [at, is_new] = known.try_emplace({site.file, site.line}, 0);
  if (is_new) {
    at->second = kSite | static_cast<Location>(sites().size());
    sites().push_back(site);
  }
  return at->second;
}

std::string to_string(Location location) {
  if (location == 0) return "unknown source line";
  if (location & kSite) return str(sites()[location & ~kSite]);
  static std::map<Location, std::string> known;
  const auto [at, is_new] = known.try_emplace(location);
  if (is_new)
    at->second = ask_addr2line(anchor() + static_cast<std::uintptr_t>(location) -
                               static_cast<std::uintptr_t>(kReach));
  return at->second;
}

}  // namespace whisker::inline v0_1::kernels::sim
