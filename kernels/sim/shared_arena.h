// The shared memory of the block that an OS thread runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace whisker::inline v0_1::kernels::sim {

/// Of static shared memory; what launch() raises for dynamic shared memory is the sum below.
inline constexpr std::size_t kStaticSharedLimit = 48 * 1024;
/// Of a block in all, on sm_90.
inline constexpr std::size_t kSharedLimit = 227 * 1024;

/// Dynamic memory first, so that matrix descriptors, which reach 256 KB, can name it; then the
/// static arrays, each followed by a gap in which writes are detected.
class SharedArena {
 public:
  SharedArena();
  ~SharedArena();
  SharedArena(const SharedArena&) = delete;
  SharedArena& operator=(const SharedArena&) = delete;

  /// Forgets the last block's arrays and fills the dynamic memory with 0xFF.
  void begin_block(std::size_t dynamic_bytes);
  unsigned char* dynamic() const { return base_ + kDynamicOffset; }
  /// The array with this key, which its first caller makes; null if that exceeds the limits.
  void* array(const void* key, std::size_t bytes, std::size_t alignment, const char* name);
  /// Which gap was written to in this block; empty if none was.
  std::string damage() const;

  /// Whether an address is in the arena, used or not; if so, where.
  bool holds(const void* address) const {
    return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(base_) <
           kArenaBytes;
  }
  std::uint32_t offset_of(const void* address) const {
    return static_cast<std::uint32_t>(static_cast<const unsigned char*>(address) - base_);
  }
  unsigned char* at(std::uint32_t offset) const { return base_ + offset; }
  /// Whether the bytes lie within one variable.
  bool valid(std::uint32_t offset, std::size_t bytes) const;
  /// "tile[12]" for the byte at an offset, or the variable that ends before it.
  std::string describe(std::uint32_t offset) const;

  static constexpr std::size_t kArenaBytes = 320 * 1024;

 private:
  static constexpr std::size_t kDynamicOffset = 1024, kGap = 64;

  struct Variable {
    const void* key;
    std::size_t offset, bytes;
    const char* name;
  };

  void add(Variable variable);

  void* mapping_;
  unsigned char* base_;
  std::vector<Variable> variables_;  // by ascending offset
  std::size_t end_ = 0, static_bytes_ = 0, dynamic_bytes_ = 0;
};

}  // namespace whisker::inline v0_1::kernels::sim
