// Keeps oneDNN on the thread that calls it: the pool of this folder is what uses several cores.
#pragma once

namespace whisker::inline v0_1::kernels::cpu {

/// For a scope of the calling thread oneDNN plans and runs primitives for one thread.
///
/// oneDNN is built with OpenMP as a rule. A plan of its own for several threads would hang where
/// OpenMP lends fewer than it announced, and would sum in an order that depends on their number.
class OnednnOnOneThread {
 public:
  OnednnOnOneThread();
  ~OnednnOnOneThread();
  OnednnOnOneThread(const OnednnOnOneThread&) = delete;
  OnednnOnOneThread& operator=(const OnednnOnOneThread&) = delete;

 private:
  int before_ = 1;
};

}  // namespace whisker::inline v0_1::kernels::cpu
