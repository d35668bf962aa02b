// Helpers of the op tests, one per question that a test asks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <whisker/core/autograd.h>
#include <whisker/core/tensor.h>
#include <whisker/kernels/cpu/threads.h>

#include "reference/array.h"

namespace whisker::testing {

using reference::Array;
using Tensors = std::vector<Tensor>;
using Function = std::function<Tensor(const Tensors& inputs)>;

/// Uniform values in [low, high) rounded to a floating-point dtype; equal seeds, equal values.
Tensor random_tensor(const Shape& shape, Dtype dtype = Dtype::float32, std::uint64_t seed = 1,
                     float low = -1.0f, float high = 1.0f);
/// The elements of any dtype, exactly.
Array to_array(const Tensor& tensor);
/// The nearest tensor of a dtype.
Tensor to_tensor(const Array& array, Dtype dtype);
/// Where a tensor of this dtype is made by default.
Device device_for(Dtype dtype);
/// One element, read or written wherever the tensor lives.
double element(const Tensor& tensor, std::int64_t i);
void set_element(Tensor tensor, std::int64_t i, double value);
/// Copies that collect gradients.
Tensors leaves_of(const Tensors& inputs);
/// Whether two tensors have the same shape, dtype and bits.
bool same_bits(const Tensor& a, const Tensor& b);
bool same_bits(const Tensors& a, const Tensors& b);

// Is this result right?

/// |a - b| <= absolute + relative * |b|.
struct Tolerance {
  double absolute = 0.0, relative = 0.0;
};
inline constexpr Tolerance kExact{};

/// PyTorch's assert_close (float64: tighter): a few rounding errors of the dtype.
Tolerance elementwise_tolerance(Dtype dtype);
/// For sums of products: absolute error, and for bfloat16 the rounding of arguments and result.
Tolerance product_tolerance(Dtype dtype);

/// Empty if all elements are close, else the worst one, both values and the error allowed there.
std::string mismatch(const Tensor& actual, const Array& expected, Tolerance tolerance);
/// The same with an allowed error for each element.
std::string mismatch_beyond(const Tensor& actual, const Array& expected,
                            const std::vector<double>& allowed);

/// The result and the gradient of every input, given the inputs and the gradient of the result.
using Reference =
    std::function<std::vector<Array>(const std::vector<Array>& inputs, const Array& dy)>;

/// Does the op give the reference's result and gradients?
void check_op(const Function& op, const Tensors& inputs, const Reference& reference,
              Tolerance forward, Tolerance gradient);

/// The same for an op that is linear in each input. The error allowed for a sum of K products is
/// 4 eps sqrt(K) * the sum of their magnitudes: rounding errors that add up as a random walk, with
/// a factor of 4 for the worst of many elements. K and the magnitudes come from the reference
/// itself, applied to ones and to absolute values. Results in bfloat16 are rounded once more.
void check_multilinear_op(const Function& op, const Tensors& inputs, const Reference& reference);

using kernels::cpu::ThreadScope;

// Is backward the derivative of forward?

/// Compares the Jacobian of f, element by element, with central differences in float64: step 1e-6,
/// tolerance 1e-5 + 1e-3 |numeric|, which are PyTorch's. Empty, or the worst element.
std::string gradcheck(const Function& f, const Tensors& inputs);
/// gradcheck of (inputs, dy) -> the gradients of f at inputs that dy induces.
std::string gradgradcheck(const Function& f, const Tensors& inputs);
/// Compares only the derivative along a random direction, projected on another: for large shapes.
std::string gradcheck_along_line(const Function& f, const Tensors& inputs);

/// The message of the exception that body throws; "no error" if there is none.
std::string message_of(const std::function<void()>& body);
/// Empty if the ShapeError that body throws names all the parts, else what is wrong.
std::string shape_error_lacks(const std::vector<std::string>& parts,
                              const std::function<void()>& body);

}  // namespace whisker::testing
