// Libraries that are opened while the program runs, so that it starts where they are absent.
#pragma once

#include <initializer_list>
#include <string>

#include <whisker/kernels/check.h>

namespace whisker::inline v0_1::kernels::cudnn {

class SharedLibrary {
 public:
  /// Opens the first of these names that the dynamic linker finds, and keeps it open for good.
  explicit SharedLibrary(std::initializer_list<const char*> names);

  explicit operator bool() const { return handle_ != nullptr; }
  /// Why none of the names could be opened; empty if one was.
  const std::string& problem() const { return problem_; }

  /// Sets a pointer to the function with this name; throws Error if the library has none.
  template <class Function>
  void find(const char* symbol, Function*& function) const {
    function = reinterpret_cast<Function*>(address_of(symbol));
  }

 private:
  void* address_of(const char* symbol) const;

  void* handle_ = nullptr;
  std::string problem_;
};

}  // namespace whisker::inline v0_1::kernels::cudnn
