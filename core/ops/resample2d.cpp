#include <whisker/core/autograd.h>
#include <whisker/core/backend.h>
#include <whisker/core/ops/resample2d.h>
#include <whisker/kernels/resample2d.h>

namespace whisker::inline v0_1 {
namespace {

using kernels::Resample2dShape;

void check_arguments(const char* op, const Tensor& x, const Block2d& block) {
  check<ShapeError>(x.rank() == 4, op, ": wants x [N,H,W,C], got ", x.shape());
  check<ShapeError>(block.height > 0 && block.width > 0, op, ": a block of ", block.height, "x",
                    block.width, " must have pixels");
}

Tensor sum_blocks(const char* op, const Tensor& large, const Resample2dShape& s);

/// Up-sampling times s.scale. It and sum_blocks with the same shape are each other's adjoint.
Tensor repeat_pixels(const char* op, const Tensor& small, const Resample2dShape& s) {
  Tensor large = Tensor::empty({s.batch, s.height * s.block_h, s.width * s.block_w, s.channels},
                               small.dtype(), small.device());
  dispatch_float(op, small, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    upsample2d(small.kernel_data<T>(), large.kernel_mutable_data<T>(), s, context);
  });
  if (!must_record({small})) return large;
  return record(large, op, {small}, [s](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
    return {sum_blocks("upsample2d_grad", dy, s)};
  });
}

Tensor sum_blocks(const char* op, const Tensor& large, const Resample2dShape& s) {
  Tensor small =
      Tensor::empty({s.batch, s.height, s.width, s.channels}, large.dtype(), large.device());
  dispatch_float(op, large, [&](auto tag, auto& context) {
    using T = typename decltype(tag)::type;
    block_sum2d(large.kernel_data<T>(), small.kernel_mutable_data<T>(), s, context);
  });
  if (!must_record({large})) return small;
  return record(small, op, {large}, [s](const Tensor& dy, const NodePtr&) -> std::vector<Tensor> {
    return {repeat_pixels("avg_pool2d_grad", dy, s)};
  });
}

}  // namespace

Tensor upsample2d(const Tensor& x, const Block2d& block) {
  check_arguments("upsample2d", x, block);
  return repeat_pixels("upsample2d", x,
                       {.batch = x.dim(0),
                        .height = x.dim(1),
                        .width = x.dim(2),
                        .channels = x.dim(3),
                        .block_h = block.height,
                        .block_w = block.width});
}

Tensor avg_pool2d(const Tensor& x, const Block2d& block) {
  check_arguments("avg_pool2d", x, block);
  check<ShapeError>(x.dim(1) % block.height == 0 && x.dim(2) % block.width == 0, "avg_pool2d: x ",
                    x.shape(), " is not made of whole blocks of ", block.height, "x", block.width);
  return sum_blocks("avg_pool2d", x,
                    {.batch = x.dim(0),
                     .height = x.dim(1) / block.height,
                     .width = x.dim(2) / block.width,
                     .channels = x.dim(3),
                     .block_h = block.height,
                     .block_w = block.width,
                     .scale = 1.0 / (static_cast<double>(block.height) * block.width)});
}

}  // namespace whisker::inline v0_1
