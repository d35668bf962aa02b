#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/context.h>
#include <whisker/kernels/cuda/elementwise.h>
#include <whisker/kernels/cuda/weight_copy.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

thread_local KeptCopies* kept_copies = nullptr;

}  // namespace

Buffer bfloat16_copy(Weight<float> weight, std::int64_t size, Context& context) {
  const auto make = [&] {
    Buffer copy = context.allocate(static_cast<std::size_t>(size) * sizeof(bfloat16));
    cast(weight.data, reinterpret_cast<bfloat16*>(copy.get()), size, context);
    return copy;
  };
  if (weight.packed == nullptr) return make();
  if (kept_copies == nullptr) return weight.packed->get(kBfloat16Layout, make);
  const Buffer kept = kept_copies->read(*weight.packed);
  return kept ? kept : make();
}

KeptCopies::KeptCopies() {
  check(kept_copies == nullptr, "graph: a recording within a recording");
  kept_copies = this;
}

KeptCopies::~KeptCopies() {
  kept_copies = nullptr;
}

Buffer KeptCopies::read(PackedWeights& weights) {
  const auto found = copies_.find(&weights);
  if (found == copies_.end()) return nullptr;
  const Buffer current = weights.take(kBfloat16Layout);
  if (current) weights.put(kBfloat16Layout, current);
  if (current != found->second.copy) return nullptr;
  found->second.was_read = true;
  return current;
}

bool KeptCopies::was_read(const PackedWeights& weights) const {
  const auto found = copies_.find(&weights);
  return found != copies_.end() && found->second.was_read;
}

}  // namespace whisker::inline v0_1::kernels::cuda
