#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/batch_norm.h>
#include <whisker/core/ops/binary.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/reduce.h>
#include <whisker/core/ops/unary.h>
#include <whisker/kernels/batch_norm.h>

namespace whisker::inline v0_1 {
namespace {

Dtype statistics_dtype(const Tensor& x) {
  return x.dtype() == Dtype::bfloat16 ? Dtype::float32 : x.dtype();
}

kernels::BatchNormShape checked_shape(const char* op, const Tensor& x,
                                      std::initializer_list<Tensor> per_channel,
                                      const BatchNormOptions& options) {
  check<ShapeError>(x.rank() >= 2, op, ": wants x [...,C], it is ", x.shape());
  for (const Tensor& t : per_channel)
    check<ShapeError>(t.shape() == Shape{x.dim(-1)} && t.dtype() == statistics_dtype(x), op, ": x ",
                      x.dtype(), " ", x.shape(), " wants ", statistics_dtype(x), " [", x.dim(-1),
                      "] per channel, got ", t.dtype(), " ", t.shape());
  for (const Tensor& t : per_channel)
    check<ShapeError>(t.device() == x.device(), op, ": x is on ", x.device(),
                      ", what it is normalised with on ", t.device());
  check<ShapeError>(options.epsilon >= 0.0 && options.slope >= 0.0, op,
                    ": epsilon and slope must not be negative");
  const std::int64_t channels = x.dim(-1);
  return {.rows = channels > 0 ? x.numel() / channels : 0,
          .channels = channels,
          .epsilon = options.epsilon,
          .slope = options.slope};
}

std::vector<int> row_axes(const Tensor& x) {
  std::vector<int> axes;
  for (int axis = 0; axis + 1 < x.rank(); ++axis)
    axes.push_back(axis);
  return axes;
}

/// The formula by differentiable ops, for graphs that the kernels do not serve.
Tensor composite(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& mean,
                 const Tensor& variance, const BatchNormOptions& options) {
  const Tensor wide = cast(x, gamma.dtype());
  const Tensor xhat = (wide - mean) / sqrt(variance + options.epsilon);
  return cast(leaky_relu(gamma * xhat + beta, options.slope), x.dtype());
}

/// The gradients of the composite formula, themselves differentiable.
std::vector<Tensor> composite_backward(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                       const Tensor& dy, const BatchNormOptions& options) {
  // Aliases, because x may itself depend on gamma or beta: only the direct paths count here.
  const auto alias = [](const Tensor& t) { return affine(t, 1.0, 0.0); };
  const std::vector<Tensor> inputs{alias(x), alias(gamma), alias(beta)};
  const Tensor wide = cast(inputs[0], gamma.dtype());
  const Tensor average = mean(wide, row_axes(x));
  const Tensor variance = mean(square(wide - average), row_axes(x));
  const Tensor y = composite(inputs[0], inputs[1], inputs[2], average, variance, options);

  std::vector<Tensor> wanted;
  for (const Tensor& input : inputs)
    if (input.requires_grad()) wanted.push_back(input);
  const std::vector<Tensor> found = gradients(sum(y * dy), wanted, {.create_graph = true});
  std::vector<Tensor> result;
  std::size_t next = 0;
  for (const Tensor& input : inputs)
    result.push_back(input.requires_grad() ? found[next++] : Tensor());
  return result;
}

}  // namespace

BatchNormResult batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                           const BatchNormOptions& options) {
  const auto shape = checked_shape("batch_norm", x, {gamma, beta}, options);
  const auto channel_tensor = [&] {
    return Tensor::empty(gamma.shape(), gamma.dtype(), gamma.device());
  };
  BatchNormResult result{Tensor::empty(x.shape(), x.dtype(), x.device()), channel_tensor(),
                         channel_tensor()};
  dispatch_float("batch_norm", x, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    using F = compute_type<T>;
    batch_norm_statistics(x.kernel_data<T>(), result.mean.kernel_mutable_data<F>(),
                          result.variance.kernel_mutable_data<F>(), shape, context);
    batch_norm_forward(x.kernel_data<T>(), gamma.kernel_data<F>(), beta.kernel_data<F>(),
                       result.mean.kernel_data<F>(), result.variance.kernel_data<F>(),
                       result.y.kernel_mutable_data<T>(), shape, context);
  });
  if (!must_record({x, gamma, beta})) return result;

  result.y = record(result.y, "batch_norm", {x, gamma, beta},
                    [x = Saved(x), gamma = Saved(gamma), beta = Saved(beta), mean = result.mean,
                     variance = result.variance, shape,
                     options](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
                      if (grad_enabled())
                        return composite_backward(x.get(), gamma.get(), beta.get(), dy, options);
                      const Tensor input = x.get(), scale = gamma.get(), offset = beta.get();
                      Tensor dx = Tensor::empty(dy.shape(), dy.dtype(), dy.device());
                      Tensor dgamma = Tensor::empty(scale.shape(), scale.dtype(), scale.device());
                      Tensor dbeta = Tensor::empty(scale.shape(), scale.dtype(), scale.device());
                      dispatch_float("batch_norm", dy, [&](auto tag, auto& context) {
                        using T = typename decltype(tag)::type;
                        using F = compute_type<T>;
                        batch_norm_backward(
                            input.kernel_data<T>(), scale.kernel_data<F>(), offset.kernel_data<F>(),
                            mean.kernel_data<F>(), variance.kernel_data<F>(), dy.kernel_data<T>(),
                            dx.kernel_mutable_data<T>(), dgamma.kernel_mutable_data<F>(),
                            dbeta.kernel_mutable_data<F>(), shape, context);
                      });
                      return {dx, dgamma, dbeta};
                    });
  return result;
}

Tensor batch_norm_inference(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                            const Tensor& mean, const Tensor& variance,
                            const BatchNormOptions& options) {
  const auto shape =
      checked_shape("batch_norm_inference", x, {gamma, beta, mean, variance}, options);
  if (must_record({x, gamma, beta})) return composite(x, gamma, beta, mean, variance, options);
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  dispatch_float("batch_norm_inference", x, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    using F = compute_type<T>;
    batch_norm_forward(x.kernel_data<T>(), gamma.kernel_data<F>(), beta.kernel_data<F>(),
                       mean.kernel_data<F>(), variance.kernel_data<F>(), y.kernel_mutable_data<T>(),
                       shape, context);
  });
  return y;
}

}  // namespace whisker::inline v0_1
