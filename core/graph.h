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
  /// Records body(); nothing runs yet. `written` are the tensors from before that it changes, and
  /// their storages' bfloat16 copies are used and kept; those of other weights are made anew in
  /// every replay.
  /// No other thread may use the device meanwhile: its work would be recorded too.
  /// Throws Error for a device that is no GPU, for tensors that are undefined or elsewhere, and
  /// where body() copies from or to the host, waits, or changes a tensor whose bfloat16 copy it has
  /// read without changing the copy as well. Memory runs out earlier than outside, as what is kept
  /// for reuse cannot go back to the device; OutOfMemory is thrown then.
  Graph(Device device, const std::vector<Tensor>& written, const std::function<void()>& body);

  /// Whether nobody else wrote to `written` since. Otherwise replay() could miss a packed copy that
  /// must be made anew, or keep one up that is in use no more.
  bool valid() const;
  /// Queues the work; counts as a write to each of `written`. Throws Error unless valid().
  void replay();

 private:
  struct Written {
    Tensor tensor;
    kernels::Buffer bfloat16_copy{};  // from before, which the work may read and write
    bool keeps_copy_up = false;
    std::uint64_t version = 0;
  };

  std::vector<Written> written_;
  std::function<void()> replay_;
};

}  // namespace whisker::inline v0_1
