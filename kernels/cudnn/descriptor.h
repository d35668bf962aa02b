// Descriptors of cuDNN's backend API: opaque objects that are filled with attributes and then
// finalized. What each attribute means: NVIDIA's "cudnn_graph Library" API reference.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cudnn/cudnn_api.h>

namespace whisker::inline v0_1::kernels::cudnn {

/// cuDNN's name of a C++ type of attributes. Descriptors, being void* as well, have overloads.
template <class T>
constexpr cudnnBackendAttributeType_t attribute_type() {
  if constexpr (std::is_same_v<T, std::int64_t>) return CUDNN_TYPE_INT64;
  if constexpr (std::is_same_v<T, char>) return CUDNN_TYPE_CHAR;
  if constexpr (std::is_same_v<T, float>) return CUDNN_TYPE_FLOAT;
  if constexpr (std::is_same_v<T, double>) return CUDNN_TYPE_DOUBLE;
  if constexpr (std::is_same_v<T, void*>) return CUDNN_TYPE_VOID_PTR;
  if constexpr (std::is_same_v<T, cudnnHandle_t>) return CUDNN_TYPE_HANDLE;
  if constexpr (std::is_same_v<T, cudnnDataType_t>) return CUDNN_TYPE_DATA_TYPE;
  if constexpr (std::is_same_v<T, cudnnConvolutionMode_t>) return CUDNN_TYPE_CONVOLUTION_MODE;
  if constexpr (std::is_same_v<T, cudnnPointwiseMode_t>) return CUDNN_TYPE_POINTWISE_MODE;
  if constexpr (std::is_same_v<T, cudnnBackendHeurMode_t>) return CUDNN_TYPE_HEUR_MODE;
  if constexpr (std::is_same_v<T, cudnnBackendKnobType_t>) return CUDNN_TYPE_KNOB_TYPE;
  if constexpr (std::is_same_v<T, cudnnBackendNumericalNote_t>) return CUDNN_TYPE_NUMERICAL_NOTE;
}  // for any other type: no value, which does not compile where it is used

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t made = nullptr;
    check_cudnn(cudnn_api().create_descriptor(type, &made), "cudnnBackendCreateDescriptor");
    handle_.reset(made);
  }

  cudnnBackendDescriptor_t get() const { return handle_.get(); }

  template <class T>
  void set(cudnnBackendAttributeName_t name, std::span<const T> values) {
    set_raw(name, attribute_type<T>(), static_cast<std::int64_t>(values.size()), values.data());
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, const T& value) {
    set(name, std::span<const T>(&value, 1));
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    const cudnnBackendDescriptor_t handle = value.get();
    set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &handle);
  }

  /// Checks the attributes; a finalized descriptor can be used but no longer changed.
  void finalize() { check_cudnn(try_finalize(), "cudnnBackendFinalize"); }
  cudnnStatus_t try_finalize() { return cudnn_api().finalize(get()); }

  /// One value.
  template <class T>
  T get_value(cudnnBackendAttributeName_t name) const {
    T value{};
    std::int64_t count = 0;
    get_raw(name, attribute_type<T>(), 1, count, &value);
    check(count == 1, "cudnnBackendGetAttribute: attribute ", static_cast<int>(name), " has ",
          count, " values, not one");
    return value;
  }
  /// All values, at most `limit` of them.
  template <class T>
  std::vector<T> get_values(cudnnBackendAttributeName_t name, std::int64_t limit) const {
    std::vector<T> values(static_cast<std::size_t>(limit));
    std::int64_t count = 0;
    get_raw(name, attribute_type<T>(), limit, count, values.data());
    values.resize(static_cast<std::size_t>(std::min(count, limit)));
    return values;
  }
  /// How many descriptors there are.
  std::int64_t count_descriptors(cudnnBackendAttributeName_t name) const;
  /// All descriptors, which are of this type, at most `limit` of them.
  std::vector<Descriptor> get_descriptors(cudnnBackendAttributeName_t name,
                                          cudnnBackendDescriptorType_t type,
                                          std::int64_t limit) const;

 private:
  struct Destroy {
    // A destructor must not throw, and there is nothing to be done about it.
    void operator()(void* handle) const {
      static_cast<void>(cudnn_api().destroy_descriptor(handle));
    }
  };

  void set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
               std::int64_t count, const void* values);
  void get_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
               std::int64_t wanted, std::int64_t& count, void* values) const;

  std::unique_ptr<void, Destroy> handle_;
};

}  // namespace whisker::inline v0_1::kernels::cudnn
