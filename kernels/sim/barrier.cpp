// How the threads of a block wait for each other.
#include <bit>
#include <cstring>

#include <whisker/kernels/check.h>
#include <whisker/kernels/sim/block.h>
#include <whisker/kernels/sim/checker.h>

namespace whisker::inline v0_1::kernels::sim {
namespace {

bool same_site(const CallSite& a, const CallSite& b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

}  // namespace

int BlockRunner::barrier(BarrierResult wanted, int predicate, CallSite site) {
  if (barrier_arrivals_ == 0) barrier_site_ = site;
  if (!same_site(barrier_site_, site))
    fail(str("divergent barrier: this thread is in __syncthreads at ", site, ", ",
             barrier_arrivals_, " others are in the one at ", barrier_site_));
  if (exited_ > 0)
    fail(str("divergent barrier: __syncthreads at ", site, " after ", exited_,
             " threads of the block have exited"));
  SimThread& thread = self();
  ++barrier_arrivals_;
  barrier_count_ += predicate != 0 ? 1 : 0;
  if (barrier_arrivals_ < thread_count_) {
    thread.state = SimThread::State::kWaiting;
    thread.waits_in = "__syncthreads";
    thread.site = site;
    at_barrier_.push_back(&thread);
    suspend(thread);
  } else {
    release_barrier();
    if (order_ != Order::kForward) {
      make_runnable(thread);
      suspend(thread);
    }
  }
  switch (wanted) {
    case BarrierResult::kNone:
      return 0;
    case BarrierResult::kAny:
      return barrier_result_ > 0;
    case BarrierResult::kAll:
      return barrier_result_ == static_cast<int>(thread_count_);
    case BarrierResult::kCount:
      return barrier_result_;
  }
  return 0;
}

void BlockRunner::release_barrier() {
  if constexpr (kChecking) checker::barrier();
  barrier_result_ = barrier_count_;
  barrier_count_ = 0;
  barrier_arrivals_ = 0;
  for (SimThread* thread : at_barrier_)
    make_runnable(*thread);
  at_barrier_.clear();
}

void BlockRunner::collective(unsigned mask, const char* name, void* argument, CollectiveBody body,
                             CallSite site) {
  SimThread& thread = self();
  Warp& warp = warps_[thread.warp];
  const unsigned me = 1u << thread.lane;
  if (!(mask & me))
    fail(str(name, " at ", site, ": lane ", thread.lane, " is not in its own mask"));
  if (mask & ~warp.alive)
    fail(str(name, " at ", site, ": the mask names lanes that do not exist or have exited"));
  Collective* found = nullptr;
  for (Collective& other : warp.under_way)
    if (other.mask & mask) found = &other;
  if (!found) {
    warp.under_way.push_back({mask, 0, name, site, {}});
    found = &warp.under_way.back();
  } else if (found->mask != mask || std::strcmp(found->name, name) != 0 ||
             !same_site(found->site, site)) {
    fail(str("divergent warp: this lane is in ", name, " at ", site, ", others are in ",
             found->name, " at ", found->site));
  }
  found->arguments[thread.lane] = argument;
  found->arrived |= me;
  if (found->arrived != mask) {
    thread.state = SimThread::State::kWaiting;
    thread.waits_in = name;
    thread.site = site;
    return suspend(thread);
  }
  body(found->arguments.data(), mask);
  for (unsigned rest = mask & ~me; rest != 0; rest &= rest - 1)
    make_runnable(
        threads_[thread.warp * kWarpSize + static_cast<unsigned>(std::countr_zero(rest))]);
  *found = warp.under_way.back();
  warp.under_way.pop_back();
  if (order_ == Order::kForward) return;
  make_runnable(thread);
  suspend(thread);
}

}  // namespace whisker::inline v0_1::kernels::sim
