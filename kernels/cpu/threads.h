// How many threads the CPU kernels use.
#pragma once

namespace whisker::inline v0_1::kernels::cpu {

/// The number of threads that kernels use from now on, in the whole process; throws Error if it is
/// less than 1. At first it is one for each core that the process may use, at most
/// OMP_NUM_THREADS. Results do not depend on it.
void set_threads(int count);
/// What a kernel called on this thread may use: the number of its ThreadScope, else the process's.
int threads();

/// Another number of threads for kernels called on this thread, for a scope.
class ThreadScope {
 public:
  explicit ThreadScope(int count);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int previous_;
};

}  // namespace whisker::inline v0_1::kernels::cpu
