#include <dlfcn.h>

#include <whisker/kernels/cpu/onednn_threads.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

/// OpenMP's number of threads for the calling thread. Looked up, not linked: the library is
/// whichever one oneDNN was linked with, and there is none if oneDNN does without.
struct OpenMp {
  int (*get_max_threads)();
  void (*set_num_threads)(int);

  OpenMp()
      : get_max_threads(reinterpret_cast<int (*)()>(::dlsym(RTLD_DEFAULT, "omp_get_max_threads"))),
        set_num_threads(
            reinterpret_cast<void (*)(int)>(::dlsym(RTLD_DEFAULT, "omp_set_num_threads"))) {}
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
