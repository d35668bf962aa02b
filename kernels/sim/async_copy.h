// The cp.async copies of one thread that are under way.
#pragma once

#include <cstddef>
#include <deque>

#include <whisker/kernels/cuda/call_site.h>

namespace whisker::inline v0_1::kernels::sim {

struct AsyncCopy {
  void* to;
  const void* from;  // null: zeros
  cuda::CallSite site;
};

struct CopyQueue {
  std::deque<AsyncCopy> copies;
  std::deque<std::size_t> groups;  // sizes of the committed ones
  std::size_t uncommitted = 0;

  bool empty() const { return copies.empty(); }
  void clear() {
    copies.clear();
    groups.clear();
    uncommitted = 0;
  }
};

}  // namespace whisker::inline v0_1::kernels::sim
