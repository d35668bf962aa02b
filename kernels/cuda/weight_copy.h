// Copies of a weight in the layouts that CUDA kernels want.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include <whisker/kernels/context.h>

namespace whisker::inline v0_1::kernels::cuda {

struct Context;

/// PackedWeights' copy named kBfloat16Layout, made from `size` floats when there is none; while
/// this thread has KeptCopies one of those, else one that nobody else gets. The launches that use
/// it are to be queued before the Buffer is dropped.
Buffer bfloat16_copy(Weight<float> weight, std::int64_t size, Context& context);

/// For the scope of a recording, the copies that its replays may read, since the graph keeps them:
/// what a recording makes itself holds nothing yet, and what nobody keeps may be gone in a replay.
class KeptCopies {
 public:
  KeptCopies();
  ~KeptCopies();
  KeptCopies(const KeptCopies&) = delete;
  KeptCopies& operator=(const KeptCopies&) = delete;

  void keep(const PackedWeights& weights, Buffer copy) { copies_[&weights] = {std::move(copy)}; }
  /// The copy if it is still the weight's, else null.
  Buffer read(PackedWeights& weights);
  bool was_read(const PackedWeights& weights) const;

 private:
  struct Kept {
    Buffer copy;
    bool was_read = false;
  };
  std::map<const PackedWeights*, Kept> copies_;
};

}  // namespace whisker::inline v0_1::kernels::cuda
