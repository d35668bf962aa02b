// How many cores the CPU kernels use.
#pragma once

namespace whisker::inline v0_1::kernels::cpu {

/// The number of threads that kernels use from now on; throws Error if it is less than 1.
void set_threads(int count);
int threads();

/// Another number of threads for a scope of the calling thread.
class ThreadScope {
 public:
  explicit ThreadScope(int count) : previous_(threads()) { set_threads(count); }
  ~ThreadScope() { set_threads(previous_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int previous_;
};

}  // namespace whisker::inline v0_1::kernels::cpu
