#include "failing_new.h"

#include <cstdlib>
#include <new>

namespace {

thread_local long calls_left = 0;  // 0: none is to fail

}  // namespace

namespace failing_new {

Failure::Failure(long n) {
  calls_left = n;
}
Failure::~Failure() {
  calls_left = 0;
}
bool Failure::happened() const {
  return calls_left == 0;
}

}  // namespace failing_new

// Sanitizers have their own.
#ifndef WHISKER_SANITIZED
void* operator new(std::size_t size) {
  if (calls_left > 0 && --calls_left == 0) throw std::bad_alloc();
  void* memory = std::malloc(size > 0 ? size : 1);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif
