// Descriptors of cuDNN's older interface, whose functions take arrays one by one.
#pragma once

#include <limits>
#include <memory>
#include <type_traits>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/cudnn/conv2d_layout.h>
#include <whisker/kernels/cudnn/cudnn_api.h>

namespace whisker::inline v0_1::kernels::cudnn {

template <class T>
inline constexpr cudnnDataType_t kDataType =
    std::is_same_v<T, bfloat16> ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;

class TensorDescriptor {
 public:
  /// Throws Error if the array has 2^31 elements or more.
  TensorDescriptor(cudnnDataType_t type, const TensorLayout& layout) {
    const auto& [n, c, h, w] = layout.extents;
    check(n * c * h * w <= std::numeric_limits<int>::max(), "cudnn: an array of ", n * c * h * w,
          " elements; cuDNN takes less than 2^31");
    const auto to_int = [](std::int64_t value) { return static_cast<int>(value); };
    const auto& s = layout.strides;
    cudnnTensorDescriptor_t made = nullptr;
    check_cudnn(cudnn_api().create_tensor(&made), "cudnnCreateTensorDescriptor");
    handle_.reset(made);
    check_cudnn(cudnn_api().set_tensor(made, type, to_int(n), to_int(c), to_int(h), to_int(w),
                                       to_int(s[0]), to_int(s[1]), to_int(s[2]), to_int(s[3])),
                "cudnnSetTensor4dDescriptorEx");
  }

  cudnnTensorDescriptor_t get() const { return handle_.get(); }

 private:
  struct Destroy {
    // A destructor must not throw, and there is nothing to be done about it.
    void operator()(cudnnTensorDescriptor_t handle) const {
      static_cast<void>(cudnn_api().destroy_tensor(handle));
    }
  };
  std::unique_ptr<cudnnTensorStruct, Destroy> handle_;
};

}  // namespace whisker::inline v0_1::kernels::cudnn
