#include "testing.h"

#include <cmath>
#include <cstring>

#include <whisker/core/ops.h>
#include <whisker/core/random.h>

#include "catch.h"
#include "reference/broadcast.h"

namespace whisker::testing {

Device device_for(Dtype dtype) {
  return dtype == Dtype::float64 ? Device::cpu() : default_device();
}

Tensor random_tensor(const Shape& shape, Dtype dtype, std::uint64_t seed, float low, float high) {
  const DeviceScope scope(device_for(dtype));
  return cast(random_uniform(shape, low, high, {.seed = seed, .stream = 77}), dtype);
}

Array to_array(const Tensor& tensor) {
  Array array(tensor.shape());
  dispatch_all(tensor.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Tensor host = tensor.to(Device::cpu());
    const T* data = host.data<T>();
    for (std::int64_t i = 0; i < tensor.numel(); ++i)
      array[i] = static_cast<double>(static_cast<compute_type<T>>(data[i]));
  });
  return array;
}

Tensor to_tensor(const Array& array, Dtype dtype) {
  const Tensor values = cast(Tensor::from(array.values, array.shape), dtype);
  return values.to(device_for(dtype));
}

double element(const Tensor& tensor, std::int64_t i) {
  return tensor.detach().view({tensor.numel()}).view_rows(i, i + 1).item();
}

void set_element(Tensor tensor, std::int64_t i, double value) {
  tensor.view({tensor.numel()})
      .view_rows(i, i + 1)
      .copy_from(Tensor::full({1}, value, tensor.dtype()));
}

Tensors leaves_of(const Tensors& inputs) {
  Tensors leaves;
  for (const Tensor& input : inputs)
    leaves.push_back(input.clone().set_requires_grad());
  return leaves;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.to(Device::cpu()).raw_data(), b.to(Device::cpu()).raw_data(), a.bytes()) ==
             0;
}

bool same_bits(const Tensors& a, const Tensors& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return false;
  return true;
}

Tolerance elementwise_tolerance(Dtype dtype) {
  if (dtype == Dtype::float64) return {1e-12, 1e-12};
  if (dtype == Dtype::bfloat16) return {1e-5, 1.6e-2};
  return {1e-5, 1.3e-6};
}

Tolerance product_tolerance(Dtype dtype) {
  if (dtype == Dtype::float64) return {1e-10, 1e-10};
  if (dtype == Dtype::bfloat16) return {1e-2, 5e-2};
  return {1e-4, 1.3e-6};
}

std::string mismatch_beyond(const Tensor& actual, const Array& expected,
                            const std::vector<double>& allowed) {
  if (actual.shape() != expected.shape)
    return str("shape ", actual.shape(), " instead of ", expected.shape);
  const Array values = to_array(actual);
  double worst = 1.0;
  std::int64_t where = -1, wrong = 0;
  for (std::int64_t i = 0; i < expected.shape.numel(); ++i) {
    const double a = values[i], b = expected[i], error = std::abs(a - b);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const double limit = allowed.at(static_cast<std::size_t>(i));
    if (error <= limit) continue;
    ++wrong;
    const double excess = std::isfinite(error) && limit > 0.0 ? error / limit : HUGE_VAL;
    if (where >= 0 && excess <= worst) continue;
    worst = excess;
    where = i;
  }
  if (where < 0) return "";
  std::ostringstream out;
  out.precision(9);
  out << wrong << " of " << expected.shape.numel() << " elements of " << actual.dtype() << " "
      << expected.shape << " are off; worst at " << where << ": " << values[where] << " instead of "
      << expected[where] << ", allowed error " << allowed[static_cast<std::size_t>(where)];
  return out.str();
}

std::string mismatch(const Tensor& actual, const Array& expected, Tolerance tolerance) {
  std::vector<double> allowed;
  for (const double value : expected.values)
    allowed.push_back(tolerance.absolute + tolerance.relative * std::abs(value));
  return mismatch_beyond(actual, expected, allowed);
}

namespace {

struct OpRun {
  Tensor dy;
  Tensors results;  // the result and the gradient of every input
};

OpRun run_op(const Function& op, const Tensors& inputs) {
  const Tensors leaves = leaves_of(inputs);
  const Tensor y = op(leaves);
  OpRun run{random_tensor(y.shape(), y.dtype(), 99), {y.detach()}};
  for (const Tensor& gradient : gradients(sum(y * run.dy), leaves))
    run.results.push_back(gradient);
  return run;
}

std::vector<Array> arrays_of(const Tensors& tensors) {
  std::vector<Array> arrays;
  for (const Tensor& tensor : tensors)
    arrays.push_back(to_array(tensor));
  return arrays;
}

std::string result_name(std::size_t i) {
  return i == 0 ? "result" : str("gradient of input ", i - 1);
}

}  // namespace

void check_op(const Function& op, const Tensors& inputs, const Reference& reference,
              Tolerance forward, Tolerance gradient) {
  const OpRun run = run_op(op, inputs);
  const auto expected = reference(arrays_of(inputs), to_array(run.dy));
  REQUIRE(expected.size() == run.results.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(result_name(i));
    CHECK(mismatch(run.results[i], expected[i], i == 0 ? forward : gradient) == "");
  }
}

void check_multilinear_op(const Function& op, const Tensors& inputs, const Reference& reference) {
  const OpRun run = run_op(op, inputs);
  const std::vector<Array> arrays = arrays_of(inputs);
  const Array dy = to_array(run.dy);
  std::vector<Array> magnitudes, ones;
  for (const Array& array : arrays) {
    magnitudes.push_back(reference::map(array, [](double x) { return std::abs(x); }));
    ones.emplace_back(array.shape, 1.0);
  }
  const auto expected = reference(arrays, dy);
  const auto magnitude =
      reference(magnitudes, reference::map(dy, [](double x) { return std::abs(x); }));
  const auto terms = reference(ones, Array(dy.shape, 1.0));
  REQUIRE(expected.size() == run.results.size());
  bool is_bfloat16 = false;
  for (const Tensor& result : run.results)
    is_bfloat16 = is_bfloat16 || result.dtype() == Dtype::bfloat16;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const bool is_double = run.results[i].dtype() == Dtype::float64;
    const double epsilon = is_double ? 0x1p-52 : 0x1p-23;
    std::vector<double> allowed;
    for (std::size_t j = 0; j < expected[i].values.size(); ++j)
      allowed.push_back(4.0 * epsilon * std::sqrt(terms[i].values[j]) * magnitude[i].values[j] +
                        (is_bfloat16 ? 0x1p-8 * std::abs(expected[i].values[j]) : 0.0));
    INFO(result_name(i));
    CHECK(mismatch_beyond(run.results[i], expected[i], allowed) == "");
  }
}

namespace {

constexpr double kStep = 1e-6, kAbsolute = 1e-5, kRelative = 1e-3;

std::vector<double> values_of(const Function& f, const Tensors& inputs) {
  return f(inputs).to_vector<double>();
}

/// gradients() of sum(y * weights), zeros where y does not depend on the inputs.
Tensors pull_back(const Tensor& y, const Tensor& weights, const Tensors& inputs,
                  BackwardOptions options) {
  if (y.requires_grad()) return gradients(sum(y * weights), inputs, options);
  Tensors zeros;
  for (const Tensor& input : inputs)
    zeros.push_back(Tensor::zeros(input.shape(), input.dtype()));
  return zeros;
}

/// Row j is the gradient of the j-th result in one input.
std::vector<Tensors> jacobian(const Function& f, const Tensors& inputs) {
  const Tensors leaves = leaves_of(inputs);
  const Tensor y = f(leaves);
  std::vector<Tensors> rows;
  for (std::int64_t j = 0; j < y.numel(); ++j) {
    Tensor one_hot = Tensor::zeros(y.shape(), y.dtype());
    one_hot.mutable_data<double>()[j] = 1.0;
    rows.push_back(pull_back(y, one_hot, leaves, {.retain_graph = true}));
  }
  return rows;
}

bool close(double analytic, double numeric) {
  return std::abs(analytic - numeric) <= kAbsolute + kRelative * std::abs(numeric);
}

}  // namespace

std::string gradcheck(const Function& f, const Tensors& inputs) {
  const ThreadScope one(1);  // waking threads would take longer than these small loops
  const std::vector<Tensors> analytic = jacobian(f, inputs);
  for (std::size_t k = 0; k < inputs.size(); ++k)
    for (std::int64_t i = 0; i < inputs[k].numel(); ++i) {
      const auto shifted = [&](double step) {
        Tensors moved = leaves_of(inputs);
        moved[k].mutable_data<double>()[i] += step;
        return values_of(f, moved);
      };
      const std::vector<double> above = shifted(kStep), below = shifted(-kStep);
      for (std::size_t j = 0; j < above.size(); ++j) {
        const double numeric = (above[j] - below[j]) / (2.0 * kStep);
        const double claimed = analytic.at(j)[k].data<double>()[i];
        if (!close(claimed, numeric))
          return str("d result[", j, "] / d input ", k, "[", i, "]: backward gives ", claimed,
                     ", differences give ", numeric);
      }
    }
  return "";
}

std::string gradgradcheck(const Function& f, const Tensors& inputs) {
  const Tensor y = f(inputs);
  Tensors all = inputs;
  all.push_back(random_tensor(y.shape(), Dtype::float64, 55));
  const Function first_order = [&](const Tensors& at) {
    const Tensors x(at.begin(), at.end() - 1);
    const Tensors found = pull_back(f(x), at.back(), x, {.create_graph = true});
    Tensors flat;
    for (const Tensor& gradient : found)
      flat.push_back(reshape(gradient, {gradient.numel()}));
    return concat(flat);
  };
  return gradcheck(first_order, all);
}

std::string gradcheck_along_line(const Function& f, const Tensors& inputs) {
  const Tensors leaves = leaves_of(inputs);
  const Tensor y = f(leaves);
  const Tensor projection = random_tensor(y.shape(), Dtype::float64, 33);
  const Tensors found = pull_back(y, projection, leaves, {});
  Tensors directions;
  double claimed = 0.0;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    directions.push_back(random_tensor(inputs[k].shape(), Dtype::float64, 44 + k));
    claimed += sum(found[k] * directions[k]).item();
  }
  const auto projected = [&](double step) {
    Tensors moved;
    for (std::size_t k = 0; k < inputs.size(); ++k)
      moved.push_back(inputs[k] + directions[k] * step);
    return sum(f(moved) * projection).item();
  };
  const double numeric = (projected(kStep) - projected(-kStep)) / (2.0 * kStep);
  if (close(claimed, numeric)) return "";
  return str("along a line: backward gives ", claimed, ", differences give ", numeric);
}

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string shape_error_lacks(const std::vector<std::string>& parts,
                              const std::function<void()>& body) {
  try {
    body();
  } catch (const ShapeError& error) {
    const std::string message = error.what();
    for (const std::string& part : parts)
      if (message.find(part) == std::string::npos) return str("no '", part, "' in: ", message);
    return "";
  } catch (const Error& error) {
    return str("another kind of error: ", error.what());
  }
  return "no error";
}

}  // namespace whisker::testing
