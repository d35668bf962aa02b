#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/asan.h>
#include <whisker/kernels/sim/checker.h>
#include <whisker/kernels/sim/config.h>
#include <whisker/kernels/sim/memory.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

constexpr std::size_t kAlignment = 256, kRedzone = 512, kPage = 4096;
constexpr unsigned char kCanary = 0xFD;

/// Of an allocation with its redzone.
std::size_t footprint(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment + kRedzone;
}

}  // namespace

struct DeviceMemory::State {
  unsigned char* base = nullptr;
  std::size_t end = kRedzone;  // of what was ever used
  std::size_t used = 0;
  std::map<unsigned char*, std::size_t> allocations;  // their bytes
  std::map<std::size_t, std::size_t> free;            // offsets and sizes, not adjacent
  int open = 0;

  void protect(int protection) const {
    mprotect(base, (end + kPage - 1) / kPage * kPage, protection);
  }

  unsigned char* take(std::size_t size) {
    if (end + size <= kBytes) {
      unsigned char* begin = base + end;
      end += size;
      if (config().protect) protect(PROT_READ | PROT_WRITE);
      return begin;
    }
    for (const auto& [offset, available] : free) {
      if (available < size) continue;
      const std::size_t at = offset;
      if (available > size) free[at + size] = available - size;
      free.erase(at);
      return base + at;
    }
    return nullptr;
  }

  void give_back(std::size_t offset, std::size_t size) {
    auto next = free.lower_bound(offset);
    if (next != free.end() && next->first == offset + size) {
      size += next->second;
      next = free.erase(next);
    }
    if (next != free.begin()) {
      const auto previous = std::prev(next);
      if (previous->first + previous->second == offset) {
        previous->second += size;
        return;
      }
    }
    free[offset] = size;
  }
};

DeviceMemory::DeviceMemory() : state_(new State) {
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check<OutOfMemory>(memory != MAP_FAILED, "simulator: no address range for device memory");
  state_->base = static_cast<unsigned char*>(memory);
  if constexpr (kAddressSanitizer) {
    poison(state_->base, kRedzone);
  } else {
    std::memset(state_->base, kCanary, kRedzone);
  }
}

DeviceMemory& DeviceMemory::instance() {
  static auto* memory = new DeviceMemory;  // outlives everything that may still hold a pointer
  return *memory;
}

void* DeviceMemory::allocate(std::size_t bytes) {
  if (bytes > kBytes - 2 * kRedzone) return nullptr;
  const Open open;
  const std::size_t size = footprint(bytes);
  unsigned char* begin = state_->take(size);
  if (!begin) return nullptr;
  unpoison(begin, bytes);
  std::memset(begin, 0xFF, bytes);
  if constexpr (kAddressSanitizer) {
    poison(begin + bytes, size - bytes);
  } else {
    std::memset(begin + bytes, kCanary, size - bytes);
  }
  state_->allocations[begin] = bytes;
  state_->used += bytes;
  return begin;
}

bool DeviceMemory::release(void* pointer) {
  auto* begin = static_cast<unsigned char*>(pointer);
  const auto found = state_->allocations.find(begin);
  if (found == state_->allocations.end()) return false;
  const std::size_t size = footprint(found->second);
  if constexpr (kChecking) checker::forget_device_memory(begin, found->second);
  state_->used -= found->second;
  state_->allocations.erase(found);
  poison(begin, size);
  // Whole pages go back to the operating system.
  const auto first = (reinterpret_cast<std::uintptr_t>(begin) + kPage - 1) / kPage * kPage;
  const auto last = (reinterpret_cast<std::uintptr_t>(begin) + size) / kPage * kPage;
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  state_->give_back(static_cast<std::size_t>(begin - state_->base), size);
  return true;
}

std::size_t DeviceMemory::used() const { return state_->used; }

unsigned char* DeviceMemory::base() const { return state_->base; }

bool DeviceMemory::holds(const void* address) const {
  return reinterpret_cast<std::uintptr_t>(address) -
             reinterpret_cast<std::uintptr_t>(state_->base) <
         kBytes;
}

DeviceMemory::Allocation DeviceMemory::nearest(const void* address) const {
  auto* byte = static_cast<unsigned char*>(const_cast<void*>(address));
  const auto after = state_->allocations.upper_bound(byte);
  if (after == state_->allocations.begin()) return {nullptr, 0};
  return {std::prev(after)->first, std::prev(after)->second};
}

bool DeviceMemory::valid(const void* address, std::size_t bytes) const {
  const Allocation allocation = nearest(address);
  const auto* byte = static_cast<const unsigned char*>(address);
  return allocation.begin && byte + bytes <= allocation.begin + allocation.bytes;
}

std::string DeviceMemory::describe(const void* address) const {
  const Allocation allocation = nearest(address);
  if (!allocation.begin) return "device memory before the first allocation";
  const auto offset =
      static_cast<std::size_t>(static_cast<const unsigned char*>(address) - allocation.begin);
  if (offset < allocation.bytes)
    return str("byte ", offset, " of an allocation of ", allocation.bytes, " bytes");
  if (offset < footprint(allocation.bytes))
    return str("device memory ", offset - allocation.bytes,
               " bytes past the end of an allocation of ", allocation.bytes, " bytes");
  return "device memory that is not allocated (any more)";
}

std::string DeviceMemory::damage() {
  if constexpr (kAddressSanitizer) return "";
  std::string report;
  for (const auto& [begin, bytes] : state_->allocations) {
    const std::size_t size = footprint(bytes);
    std::size_t beyond = 0;
    for (std::size_t i = bytes; i < size; ++i)
      if (begin[i] != kCanary) beyond = i + 1 - bytes;
    if (beyond == 0) continue;
    std::memset(begin + bytes, kCanary, size - bytes);
    if (report.empty())
      report = str("wrote up to ", beyond, " bytes past the end of an allocation of ", bytes,
                   " bytes of device memory (found by canary)");
  }
  return report;
}

DeviceMemory::Open::Open() {
  State& state = *instance().state_;
  if (state.open++ == 0 && config().protect) state.protect(PROT_READ | PROT_WRITE);
}

DeviceMemory::Open::~Open() {
  State& state = *instance().state_;
  if (--state.open == 0 && config().protect) state.protect(PROT_NONE);
}

namespace {

struct PinnedMemory {
  std::mutex mutex;
  std::map<const std::byte*, std::size_t> allocations;  // their bytes
};

PinnedMemory& pinned() {
  static auto* memory = new PinnedMemory;
  return *memory;
}

}  // namespace

void* allocate_pinned(std::size_t bytes) {
  void* pointer = std::malloc(bytes == 0 ? 1 : bytes);
  if (!pointer) return nullptr;
  const std::lock_guard lock(pinned().mutex);
  pinned().allocations[static_cast<const std::byte*>(pointer)] = bytes;
  return pointer;
}

bool release_pinned(void* pointer) {
  const std::lock_guard lock(pinned().mutex);
  if (pinned().allocations.erase(static_cast<const std::byte*>(pointer)) == 0) return false;
  std::free(pointer);
  return true;
}

bool is_pinned(const void* address) {
  const auto* byte = static_cast<const std::byte*>(address);
  const std::lock_guard lock(pinned().mutex);
  const auto after = pinned().allocations.upper_bound(byte);
  if (after == pinned().allocations.begin()) return false;
  const auto [begin, bytes] = *std::prev(after);
  return byte < begin + bytes;
}

}  // namespace whisker::inline v0_1::kernels::sim
