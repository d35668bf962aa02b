#include <dlfcn.h>

#include <whisker/kernels/cudnn/shared_library.h>

namespace whisker::inline v0_1::kernels::cudnn {

SharedLibrary::SharedLibrary(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    handle_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) {
      problem_.clear();
      return;
    }
    if (!problem_.empty()) problem_ += "; ";
    problem_ += dlerror();
  }
}

void* SharedLibrary::address_of(const char* symbol) const {
  void* address = dlsym(handle_, symbol);
  check(address != nullptr, "dlsym: ", symbol, " is missing from a library that was opened");
  return address;
}

}  // namespace whisker::inline v0_1::kernels::cudnn
