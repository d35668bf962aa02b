// Work of a GPU that is recorded once and then repeated with one call.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <whisker/core/tensor.h>

namespace whisker::inline v0_1 {

/// The kernels that a function starts, in order and with the arguments of the recording: it reads
/// what differs from replay to replay from tensors that somebody writes before, and leaves its
/// results in tensors that were there before. Memory that it takes besides is nobody else's until
/// the graph and the last tensor in it are gone.
class Graph {
 public:
  /// Records body(); nothing runs yet. `written` are the tensors from before that it changes.
  /// Throws Error for a device that is no GPU, and where body() copies from or to the host or
  /// waits.
  Graph(Device device, const std::vector<Tensor>& written, const std::function<void()>& body);

  /// Whether nobody else wrote to `written` since. Otherwise replay() could miss a packed copy that
  /// must be made anew, or keep one up that is in use no more.
  bool valid() const;
  /// Queues the work; counts as a write to each of `written`. Throws Error unless valid().
  void replay();

 private:
  struct Written {
    Tensor tensor;
    kernels::Buffer bfloat16_copy;  // which the work may read and write
    std::uint64_t version = 0;
  };

  std::vector<Written> written_;
  std::function<void()> replay_;
};

}  // namespace whisker::inline v0_1
