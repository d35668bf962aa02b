#include <whisker/core/backend.h>
#include <whisker/core/graph.h>

namespace whisker::inline v0_1 {

Graph::Graph(Device device, const std::vector<Tensor>& written, const std::function<void()>& body) {
  check(kWithCuda && device.type == Device::Type::cuda, "graph: ", device, " is no GPU");
  if constexpr (kWithCuda) replay_ = capture_with_cuda(device, body);
  for (const Tensor& tensor : written) {
    kernels::PackedWeights& packed = tensor.storage()->packed();
    const kernels::Buffer copy = packed.take(kernels::kBfloat16Layout);
    if (copy) packed.put(kernels::kBfloat16Layout, copy);
    written_.push_back({tensor, copy, tensor.storage()->version()});
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
    if (w.bfloat16_copy)
      w.tensor.storage()->packed().put(kernels::kBfloat16Layout, w.bfloat16_copy);
    w.version = w.tensor.storage()->version();
  }
}

}  // namespace whisker::inline v0_1
