#include <cstdio>
#include <dlfcn.h>
#include <elf.h>
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

std::uintptr_t anchor() {
  return reinterpret_cast<std::uintptr_t>(&anchor);
}

std::uintptr_t file_address(std::uintptr_t address, const Dl_info& info) {
  const auto* header = static_cast<const Elf64_Ehdr*>(info.dli_fbase);
  return header->e_type == ET_DYN ? address - reinterpret_cast<std::uintptr_t>(info.dli_fbase)
                                  : address;
}

struct Source {
  std::string line = "unknown source line";
  bool library = false;  // the function that contains the code, not one inlined into it
};

Source ask_addr2line(std::uintptr_t address) {
  Dl_info info;
  Source source;
  if (dladdr(reinterpret_cast<void*>(address), &info) == 0) return source;
  char command[4096];
  // A return address points behind the call. -i: the lines that it was inlined into follow.
  std::snprintf(command, sizeof command, "addr2line -i -e '%s' 0x%zx", info.dli_fname,
                file_address(address - 1, info));
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command, "r"), pclose);
  if (!pipe) return source;
  char buffer[4096];
  bool chosen = false;
  while (std::fgets(buffer, sizeof buffer, pipe.get())) {
    std::string line = buffer;
    line = line.substr(0, line.find_first_of(" \n"));
    source.library = line.find("/include/c++/") != std::string::npos;
    // What the simulator's headers and the library do, they do for the kernel.
    if (!chosen) source.line = line;
    chosen = chosen || (!source.library && line.find("/kernels/sim/") == std::string::npos);
  }
  return source;
}

const Source& source_of(Location location) {
  static std::map<Location, Source> known;
  const auto [at, is_new] = known.try_emplace(location);
  if (is_new)
    at->second = ask_addr2line(anchor() + static_cast<std::uintptr_t>(location) -
                               static_cast<std::uintptr_t>(kReach));
  return at->second;
}

}  // namespace

std::uintptr_t file_address(const void* code) {
  Dl_info info;
  const auto address = reinterpret_cast<std::uintptr_t>(code);
  return dladdr(code, &info) == 0 ? address : file_address(address, info);
}

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
  return source_of(location).line;
}

bool is_library_code(Location location) {
  return location != 0 && !(location & kSite) && source_of(location).library;
}

}  // namespace whisker::inline v0_1::kernels::sim
