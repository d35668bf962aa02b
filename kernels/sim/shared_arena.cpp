#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/asan.h>
#include <whisker/kernels/sim/shared_arena.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

constexpr std::size_t kBaseAlignment = 1024;
constexpr unsigned char kCanary = 0xFD;

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

SharedArena::SharedArena()
    : mapping_(mmap(nullptr, kArenaBytes + kBaseAlignment, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
  check<OutOfMemory>(mapping_ != MAP_FAILED, "simulator: no memory for shared memory");
  base_ = reinterpret_cast<unsigned char*>(
      round_up(reinterpret_cast<std::uintptr_t>(mapping_), kBaseAlignment));
}

SharedArena::~SharedArena() {
  unpoison(base_, kArenaBytes);
  munmap(mapping_, kArenaBytes + kBaseAlignment);
}

void SharedArena::begin_block(std::size_t dynamic_bytes) {
  variables_.clear();
  end_ = kDynamicOffset;
  static_bytes_ = 0;
  dynamic_bytes_ = dynamic_bytes;
  poison(base_, kArenaBytes);
  if (dynamic_bytes > 0) add({nullptr, kDynamicOffset, dynamic_bytes, "dynamic shared memory"});
}

void SharedArena::add(Variable variable) {
  unsigned char* begin = base_ + variable.offset;
  unpoison(begin, variable.bytes);
  std::memset(begin, 0xFF, variable.bytes);
  end_ = variable.offset + variable.bytes + kGap;
  if constexpr (!kAddressSanitizer) std::memset(begin + variable.bytes, kCanary, kGap);
  variables_.push_back(variable);
}

void* SharedArena::array(const void* key, std::size_t bytes, std::size_t alignment,
                         const char* name) {
  for (const Variable& variable : variables_)
    if (variable.key == key) return base_ + variable.offset;
  static_bytes_ += bytes;
  if (static_bytes_ > kStaticSharedLimit || static_bytes_ + dynamic_bytes_ > kSharedLimit)
    return nullptr;
  const std::size_t offset = round_up(end_, std::max(alignment, std::size_t{16}));
  add({key, offset, bytes, name});
  return base_ + offset;
}

std::string SharedArena::damage() const {
  if constexpr (kAddressSanitizer) return "";
  for (const Variable& variable : variables_) {
    const unsigned char* gap = base_ + variable.offset + variable.bytes;
    for (std::size_t i = 0; i < kGap; ++i)
      if (gap[i] != kCanary)
        return str("wrote ", i + 1, " bytes past the end of ", variable.name, ", which has ",
                   variable.bytes, " bytes of shared memory (found by canary)");
  }
  return "";
}

bool SharedArena::valid(std::uint32_t offset, std::size_t bytes) const {
  return std::any_of(variables_.begin(), variables_.end(), [&](const Variable& variable) {
    return offset >= variable.offset && offset + bytes <= variable.offset + variable.bytes;
  });
}

std::string SharedArena::describe(std::uint32_t offset) const {
  const Variable* nearest = nullptr;
  for (const Variable& variable : variables_)
    if (variable.offset <= offset) nearest = &variable;
  if (!nearest) return str("shared memory at offset ", offset);
  return str("byte ", offset - nearest->offset, " of ", nearest->name, " (", nearest->bytes,
             " bytes of shared memory)");
}

}  // namespace whisker::inline v0_1::kernels::sim
