#include <dlfcn.h>
#include <dnnl.hpp>

#include <whisker/kernels/cpu/onednn_threads.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

/// The function of this name that oneDNN calls, or null if oneDNN does without OpenMP. Looked up
/// among what oneDNN was linked with, as a plug-in's libraries are not in the global scope.
void* find(const char* name) {
  Dl_info onednn{};
  if (::dladdr(reinterpret_cast<const void*>(&dnnl_version), &onednn) != 0 && onednn.dli_fname)
    if (void* const library = ::dlopen(onednn.dli_fname, RTLD_LAZY | RTLD_NOLOAD))
      if (void* const found = ::dlsym(library, name)) return found;
  return ::dlsym(RTLD_DEFAULT, name);
}

/// OpenMP's number of threads for the calling thread.
struct OpenMp {
  int (*get_max_threads)();
  void (*set_num_threads)(int);

  OpenMp()
      : get_max_threads(reinterpret_cast<int (*)()>(find("omp_get_max_threads"))),
        set_num_threads(reinterpret_cast<void (*)(int)>(find("omp_set_num_threads"))) {}
  explicit operator bool() const { return get_max_threads && set_num_threads; }
};

const OpenMp& openmp() {
  static const OpenMp found;
  return found;
}

}  // namespace

OnednnOnOneThread::OnednnOnOneThread() {
  if (!openmp()) return;
  before_ = openmp().get_max_threads();
  if (before_ != 1) openmp().set_num_threads(1);
}

OnednnOnOneThread::~OnednnOnOneThread() {
  if (before_ != 1) openmp().set_num_threads(before_);
}

}  // namespace whisker::inline v0_1::kernels::cpu
