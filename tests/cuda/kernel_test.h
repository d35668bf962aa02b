// Helpers of the tests of CUDA kernels: values in, results out, and whether these are right.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <whisker/kernels/bfloat16.h>

#include "device_array.h"
#include "reference/array.h"

namespace whisker::testing {

using reference::Array;

/// The elements of any type, exactly.
template <class T>
std::vector<double> to_doubles(const std::vector<T>& values) {
  std::vector<double> doubles;
  doubles.reserve(values.size());
  for (const T value : values)
    doubles.push_back(static_cast<double>(static_cast<compute_type<T>>(value)));
  return doubles;
}

/// The nearest elements of type T.
template <class T>
std::vector<T> from_doubles(const std::vector<double>& doubles) {
  std::vector<T> values;
  values.reserve(doubles.size());
  for (const double value : doubles)
    values.push_back(T(static_cast<compute_type<T>>(value)));
  return values;
}

/// Uniform values in [low, high) that T represents; equal seeds, equal values.
template <class T>
std::vector<double> random_values(std::int64_t n, std::uint32_t seed, double low = -1.0,
                                  double high = 1.0);

/// Values of a shape, as the naive definitions take them.
Array to_array(const Shape& shape, const std::vector<double>& values);

/// Device memory that begins `offset` elements behind an aligned place, as a slice may. What lies
/// before it has a value that must stay.
template <class T>
class DeviceSlice {
 public:
  /// Elements that nobody has written yet.
  explicit DeviceSlice(std::size_t count, std::size_t offset = 0)
      : offset_(offset), memory_(count + offset) {
    const std::vector<T> before(offset, kBefore);
    kernels::cuda::check_cuda(cudaMemcpyAsync(memory_.get(), before.data(), offset * sizeof(T),
                                              cudaMemcpyDefault, test_context().stream),
                              "DeviceSlice: copy");
  }
  /// The nearest elements.
  explicit DeviceSlice(const std::vector<double>& values, std::size_t offset = 0)
      : offset_(offset), memory_(values.size() + offset) {
    std::vector<T> elements = from_doubles<T>(values);
    elements.insert(elements.begin(), offset, kBefore);
    memory_.upload(elements);
  }
  T* get() const { return memory_.get() + offset_; }

  /// Waits for the elements; throws Error if a kernel wrote before or behind them.
  std::vector<double> download() const {
    const std::vector<T> elements = memory_.download();
    const auto begin = elements.begin() + static_cast<std::ptrdiff_t>(offset_);
    check(std::all_of(elements.begin(), begin, [](T element) { return element == kBefore; }),
          "DeviceSlice: a kernel wrote before the slice");
    return to_doubles(std::vector<T>(begin, elements.end()));
  }

 private:
  static constexpr T kBefore{3};

  std::size_t offset_;
  DeviceArray<T> memory_;
};

/// The outputs of one run of a kernel.
using Results = std::vector<std::vector<double>>;

/// Calls body under each order of threads and blocks; on a GPU, twice under its own.
void in_every_order(const std::function<void()>& body);

/// Runs kernels in every order, fails the test unless the results have equal bits, and returns
/// them.
Results run_in_all_orders(const std::function<Results()>& run);

/// Empty if |actual - expected| <= allowed everywhere (a NaN is not), else the worst element, both
/// values and the error allowed there.
std::string mismatch_beyond(const std::vector<double>& actual, const std::vector<double>& expected,
                            const std::function<double(std::size_t)>& allowed);
/// The same with allowed = absolute + relative * |expected|.
std::string mismatch(const std::vector<double>& actual, const std::vector<double>& expected,
                     double absolute, double relative);

/// The relative error of rounding to T once.
template <class T>
inline constexpr double kRounding = sizeof(T) == 2 ? 0x1p-8 : 0x1p-24;
inline constexpr double kFloatRounding = kRounding<float>;

}  // namespace whisker::testing
