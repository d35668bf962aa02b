// The functions that -fsanitize=thread,alignment,bounds make a compiler call around accesses to
// memory. Kernels are compiled with them, but the sanitizers' own libraries are not linked: these
// take their place.
#include <cstdint>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/checker.h>

#if WHISKER_SIM_CHECK

namespace {

using whisker::str;
using namespace whisker::kernels::sim;

void note(const void* address, std::size_t bytes, Access kind, const void* return_address) {
  if (!current_thread) return;  // the host code of a .cu file
  checker::access(address, bytes, kind, location_of(return_address));
}

void note_aligned(const void* address, std::size_t bytes, Access kind,
                  const void* return_address) {
  if (!current_thread) return;
  if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0)
    fail(str("misaligned: access of ", bytes, " bytes at ", address, ", ",
             to_string(location_of(return_address))));
  checker::access(address, bytes, kind, location_of(return_address));
}

// What the compiler says of an undefined operation, in its own layout.
struct SourceLine {
  const char* file;
  std::uint32_t line, column;
};
struct TypeName {
  std::uint16_t kind, info;
  char name[1];
};
struct MisalignedPointer {
  SourceLine site;
  const TypeName* type;
  std::uint8_t alignment_log2, access;
};
struct BadIndex {
  SourceLine site;
  const TypeName *array, *index;
};

}  // namespace

#define WHISKER_CALLER __builtin_return_address(0)
#define WHISKER_TSAN_ACCESS(n)                                                  \
  void __tsan_read##n(void* address) {                                          \
    note_aligned(address, n, Access::kRead, WHISKER_CALLER);                    \
  }                                                                             \
  void __tsan_write##n(void* address) {                                         \
    note_aligned(address, n, Access::kWrite, WHISKER_CALLER);                   \
  }                                                                             \
  void __tsan_unaligned_read##n(void* address) {                                \
    note(address, n, Access::kRead, WHISKER_CALLER);                            \
  }                                                                             \
  void __tsan_unaligned_write##n(void* address) {                               \
    note(address, n, Access::kWrite, WHISKER_CALLER);                           \
  }                                                                             \
  void __tsan_volatile_read##n(void* address) {                                 \
    note_aligned(address, n, Access::kRead, WHISKER_CALLER);                    \
  }                                                                             \
  void __tsan_volatile_write##n(void* address) {                                \
    note_aligned(address, n, Access::kWrite, WHISKER_CALLER);                   \
  }                                                                             \
  void __tsan_read##n##_pc(void* address, void* caller) {                       \
    note_aligned(address, n, Access::kRead, caller);                            \
  }                                                                             \
  void __tsan_write##n##_pc(void* address, void* caller) {                      \
    note_aligned(address, n, Access::kWrite, caller);                           \
  }

// Host code in .cu files may count references and guard statics.
#define WHISKER_TSAN_ATOMIC(bits)                                                               \
  using WhiskerInt##bits = std::int##bits##_t;                                                  \
  WhiskerInt##bits __tsan_atomic##bits##_load(const volatile WhiskerInt##bits* at, int) {       \
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                               \
  }                                                                                             \
  void __tsan_atomic##bits##_store(volatile WhiskerInt##bits* at, WhiskerInt##bits value,       \
                                   int) {                                                       \
    __atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                              \
  }                                                                                             \
  WhiskerInt##bits __tsan_atomic##bits##_exchange(volatile WhiskerInt##bits* at,                \
                                                  WhiskerInt##bits value, int) {                \
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                                    \
  }                                                                                             \
  WhiskerInt##bits __tsan_atomic##bits##_fetch_add(volatile WhiskerInt##bits* at,               \
                                                   WhiskerInt##bits value, int) {               \
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);                                     \
  }                                                                                             \
  WhiskerInt##bits __tsan_atomic##bits##_fetch_sub(volatile WhiskerInt##bits* at,               \
                                                   WhiskerInt##bits value, int) {               \
    return __atomic_fetch_sub(at, value, __ATOMIC_SEQ_CST);                                     \
  }                                                                                             \
  int __tsan_atomic##bits##_compare_exchange_strong(                                            \
      volatile WhiskerInt##bits* at, WhiskerInt##bits* expected, WhiskerInt##bits value, int,   \
      int) {                                                                                    \
    return __atomic_compare_exchange_n(at, expected, value, false, __ATOMIC_SEQ_CST,            \
                                       __ATOMIC_SEQ_CST);                                       \
  }                                                                                             \
  WhiskerInt##bits __tsan_atomic##bits##_compare_exchange_val(                                  \
      volatile WhiskerInt##bits* at, WhiskerInt##bits expected, WhiskerInt##bits value, int,    \
      int) {                                                                                    \
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST,                  \
                                __ATOMIC_SEQ_CST);                                              \
    return expected;                                                                            \
  }

extern "C" {
WHISKER_TSAN_ACCESS(1)
WHISKER_TSAN_ACCESS(2)
WHISKER_TSAN_ACCESS(4)
WHISKER_TSAN_ACCESS(8)
WHISKER_TSAN_ACCESS(16)
WHISKER_TSAN_ATOMIC(8)
WHISKER_TSAN_ATOMIC(16)
WHISKER_TSAN_ATOMIC(32)
WHISKER_TSAN_ATOMIC(64)
void __tsan_read_range(void* address, unsigned long bytes) {
  note(address, bytes, Access::kRead, WHISKER_CALLER);
}
void __tsan_write_range(void* address, unsigned long bytes) {
  note(address, bytes, Access::kWrite, WHISKER_CALLER);
}
// -fsanitize=alignment,bounds
void __ubsan_handle_type_mismatch_v1(const MisalignedPointer* what, std::uintptr_t address) {
  if (!current_thread || address % (std::uintptr_t{1} << what->alignment_log2) == 0) return;
  fail(str("misaligned: address ", reinterpret_cast<const void*>(address),
           " is not a multiple of ", 1 << what->alignment_log2, ", ", what->site.file, ":",
           what->site.line));
}
void __ubsan_handle_out_of_bounds(const BadIndex* what, std::uintptr_t index) {
  if (!current_thread) return;
  fail(str("out of bounds: index ", static_cast<std::intptr_t>(index), " into ",
           what->array->name, ", ", what->site.file, ":", what->site.line));
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_atomic_thread_fence(int) {}
void __tsan_atomic_signal_fence(int) {}
}

#endif
