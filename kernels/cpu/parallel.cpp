#ifdef _OPENMP
#include <omp.h>
#endif

#include <whisker/kernels/check.h>
#include <whisker/kernels/cpu/parallel.h>

namespace whisker::inline v0_1::kernels::cpu {

void set_threads(int count) {
  check(count >= 1, "threads: ", count, " must be at least 1");
#ifdef _OPENMP
  omp_set_num_threads(count);
#endif
}

int threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

}  // namespace whisker::inline v0_1::kernels::cpu
