// What one update goes over, in the form that kernels take.
#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <whisker/core/backend.h>
#include <whisker/kernels/optimizer.h>

namespace whisker::inline v0_1::optim {

/// Tensors to update, all of one device and dtype in one call of a kernel. bfloat16 copies of them
/// that GPU kernels made are updated by the same call, instead of being made anew after it.
class Updates {
 public:
  /// Gradient and slots are of the parameter's device, dtype and shape.
  void add(const Tensor& parameter, const Tensor& gradient, std::vector<Tensor> slots = {}) {
    updates_.push_back({parameter, gradient, std::move(slots)});
  }

  bool empty() const { return updates_.empty(); }

  /// Calls body(segments, context) for each device and dtype; throws ShapeError that names `op`
  /// where no kernel serves them.
  template <class Body>
  void run(const char* op, const Body& body) {
    for (auto begin = updates_.begin(); begin != updates_.end();) {
      const Tensor first = begin->parameter;
      const auto end = std::stable_partition(begin, updates_.end(), [&](const Update& update) {
        return update.parameter.device() == first.device() &&
               update.parameter.dtype() == first.dtype();
      });
      dispatch_master(op, first, [&](auto tag, auto& context) {
        run_alike<typename decltype(tag)::type>({begin, end}, body, context);
      });
      begin = end;
    }
  }

 private:
  struct Update {
    Tensor parameter, gradient;
    std::vector<Tensor> slots;
    kernels::Buffer copy{};
  };

  /// Packed copies are kept per storage, see core/ops/conv2d.cpp.
  static kernels::PackedWeights* packed(const Tensor& tensor) {
    return tensor.bytes() == tensor.storage()->bytes() ? &tensor.storage()->packed() : nullptr;
  }

  template <class T, class Body, class Context>
  static void run_alike(std::span<Update> updates, const Body& body, Context& context) {
    std::vector<kernels::Segment<T>> segments;
    for (Update& update : updates) {
      // Before the write, which drops all copies.
      if (packed(update.parameter)) update.copy = packed(update.parameter)->take(kBfloat16);
      kernels::Segment<T> segment{.theta = update.parameter.kernel_mutable_data<T>(),
                                  .g = update.gradient.kernel_data<T>(),
                                  .slots = {},
                                  .n = update.parameter.numel(),
                                  .copy = reinterpret_cast<bfloat16*>(update.copy.get())};
      for (std::size_t k = 0; k < update.slots.size(); ++k)
        segment.slots[k] = update.slots[k].kernel_mutable_data<T>();
      segments.push_back(segment);
    }
    body(std::span<const kernels::Segment<T>>(segments), context);
    for (Update& update : updates)
      if (update.copy) packed(update.parameter)->put(kBfloat16, std::move(update.copy));
  }

  static constexpr std::uint64_t kBfloat16 = kernels::kBfloat16Layout;

  std::vector<Update> updates_;
};

}  // namespace whisker::inline v0_1::optim
