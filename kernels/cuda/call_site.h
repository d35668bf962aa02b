// Where a call stands in the source, captured by a default argument.
#pragma once

#include <ostream>

namespace whisker::inline v0_1::kernels::cuda {

/// As std::source_location, which clang 14 lacks: `void f(CallSite site = CallSite::here())`.
struct CallSite {
  const char* file = "";
  int line = 0;

  static constexpr CallSite here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
  friend std::ostream& operator<<(std::ostream& out, const CallSite& site) {
    return out << site.file << ":" << site.line;
  }
};

}  // namespace whisker::inline v0_1::kernels::cuda
