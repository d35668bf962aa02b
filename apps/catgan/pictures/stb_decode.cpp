#include "pictures/stb_decode.h"

#include <algorithm>
#include <cstdlib>

#include "pictures/image_check.h"

namespace catgan {
namespace {

/// Every block that the decoder holds on this thread. A request beyond the budget fails; blocks
/// still held at the end are freed, also when an exception passed through the decoder.
class DecodeArena {
 public:
  explicit DecodeArena(std::size_t budget) : left_(budget) { current_ = this; }
  ~DecodeArena() {
    for (const Block& block : blocks_)
      std::free(block.address);
    current_ = nullptr;
  }
  DecodeArena(const DecodeArena&) = delete;
  DecodeArena& operator=(const DecodeArena&) = delete;

  static DecodeArena* current() { return current_; }
  bool over_budget() const { return over_budget_; }
  bool system_refused() const { return system_refused_; }

  // Zeroed: some versions of the decoder read tables that a broken file never filled.
  void* allocate(std::size_t size) {
    if (!reserve(size)) return nullptr;
    blocks_.reserve(blocks_.size() + 1);
    void* address = std::calloc(std::max<std::size_t>(size, 1), 1);
    return keep(address, size);
  }

  void* reallocate(void* old, std::size_t size) {
    if (old == nullptr) return allocate(size);
    const auto block = find(old);
    if (size > block->size && !reserve(size - block->size)) return nullptr;
    void* address = std::realloc(old, std::max<std::size_t>(size, 1));
    if (address == nullptr) {
      system_refused_ = true;
      return nullptr;
    }
    if (size < block->size) left_ += block->size - size;
    *block = {address, size};
    return address;
  }

  void release(void* address) {
    if (address == nullptr) return;
    const auto block = find(address);
    left_ += block->size;
    std::free(address);
    blocks_.erase(block);
  }

 private:
  struct Block {
    void* address;
    std::size_t size;
  };

  bool reserve(std::size_t size) {
    if (size > left_) {
      over_budget_ = true;
      return false;
    }
    left_ -= size;
    return true;
  }

  void* keep(void* address, std::size_t size) {
    if (address == nullptr) {
      system_refused_ = true;
      left_ += size;
    } else {
      blocks_.push_back({address, size});
    }
    return address;
  }

  std::vector<Block>::iterator find(void* address) {
    return std::find_if(blocks_.begin(), blocks_.end(),
                        [address](const Block& block) { return block.address == address; });
  }

  static thread_local DecodeArena* current_;
  std::size_t left_;
  std::vector<Block> blocks_;
  bool over_budget_ = false;
  bool system_refused_ = false;
};

thread_local DecodeArena* DecodeArena::current_ = nullptr;

[[noreturn]] void decoder_assertion_failed(const char* condition) {
  throw ImageError(Fault::damaged, whisker::str("cannot be decoded: ", condition, " is false"));
}

}  // namespace
}  // namespace catgan

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 16384
#define STBI_MALLOC(size) catgan::DecodeArena::current()->allocate(size)
#define STBI_REALLOC(old, size) catgan::DecodeArena::current()->reallocate(old, size)
#define STBI_FREE(old) catgan::DecodeArena::current()->release(old)
#define STBI_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : catgan::decoder_assertion_failed(#condition))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace catgan {

static_assert(STBI_MAX_DIMENSIONS == kMaxSide);

DecodedSamples stb_decode(std::span<const std::uint8_t> bytes, std::size_t budget) {
  DecodeArena arena(budget);
  DecodedSamples result;
  const stbi_uc* pixels = stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()),
                                                &result.width, &result.height, &result.channels, 0);
  if (pixels == nullptr) {
    if (arena.system_refused())
      throw whisker::OutOfMemory(
          whisker::str("decoding a picture: the system refused memory within ", budget, " bytes"));
    if (arena.over_budget())
      throw ImageError(Fault::damaged, whisker::str("unpacks to more data than its size calls for "
                                                    "(over ",
                                                    budget, " bytes)"));
    throw ImageError(Fault::damaged, whisker::str("cannot be decoded: ", stbi_failure_reason()));
  }
  const std::size_t size = static_cast<std::size_t>(result.width) *
                           static_cast<std::size_t>(result.height) *
                           static_cast<std::size_t>(result.channels);
  result.samples.assign(pixels, pixels + size);
  return result;
}

}  // namespace catgan
