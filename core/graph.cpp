#include <algorithm>

#include <whisker/core/backend.h>
#include <whisker/core/graph.h>
#include <whisker/kernels/cuda/weight_copy.h>

namespace whisker::inline v0_1 {
namespace {

kernels::Buffer bfloat16_copy(const Tensor& tensor) {
  kernels::PackedWeights& packed = tensor.storage()->packed();
  const kernels::Buffer copy = packed.take(kernels::kBfloat16Layout);
  if (copy) packed.put(kernels::kBfloat16Layout, copy);
  return copy;
}

}  // namespace

Graph::Graph(Device device, const std::vector<Tensor>& written, const std::function<void()>& body) {
  check(kWithCuda && device.type == Device::Type::cuda, "graph: ", device, " is no GPU");
  for (const Tensor& tensor : written) {
    check(tensor.defined(), "graph: a tensor that it changes is undefined");
    check(tensor.device() == device, "graph: a tensor that it changes is on ", tensor.device(),
          ", the work on ", device);
    const bool is_known = std::any_of(written_.begin(), written_.end(), [&](const Written& w) {
      return w.tensor.storage() == tensor.storage();
    });
    if (!is_known) written_.push_back({tensor, bfloat16_copy(tensor)});
  }
  if constexpr (kWithCuda) {
    kernels::cuda::KeptCopies copies;
    for (const Written& w : written_)
      if (w.bfloat16_copy) copies.keep(w.tensor.storage()->packed(), w.bfloat16_copy);
    replay_ = capture_with_cuda(device, body);
    for (Written& w : written_) {
      w.keeps_copy_up = w.bfloat16_copy && bfloat16_copy(w.tensor) == w.bfloat16_copy;
      w.version = w.tensor.storage()->version();
      check(w.keeps_copy_up || !copies.was_read(w.tensor.storage()->packed()), "graph: a tensor ",
            w.tensor.shape(), " is written, and its bfloat16 copy, which the work reads, is not; ",
            "the copy is dropped now, record again");
    }
  }
}

bool Graph::valid() const {
  for (const Written& w : written_)
    if (w.tensor.storage()->version() != w.version) return false;
  return true;
}

void Graph::replay() {
  check(valid(), "graph: a tensor that it changes was written by somebody else");
  replay_();
  for (Written& w : written_) {
    // Copies that were made since the recording are out of date now; this one was kept up.
    w.tensor.raw_mutable_data();
    if (w.keeps_copy_up)
      w.tensor.storage()->packed().put(kernels::kBfloat16Layout, w.bfloat16_copy);
    w.version = w.tensor.storage()->version();
  }
}

}  // namespace whisker::inline v0_1
