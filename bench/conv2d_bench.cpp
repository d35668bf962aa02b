#include <whisker/core/autograd.h>
#include <whisker/core/memory_pool.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/conv2d.h>
#include <whisker/core/random.h>

#include "bench.h"

namespace whisker_bench {
namespace {

using whisker::Tensor;

}  // namespace

std::vector<Measurement> bench_convolutions(const std::vector<ConvCase>& cases,
                                            const std::string& filter, bool bfloat16,
                                            const Peak& peak) {
  const whisker::NoGrad no_grad;
  const auto dtype = bfloat16 ? whisker::Dtype::bfloat16 : whisker::Dtype::float32;
  std::vector<Measurement> results;
  for (const auto& [case_name, shape] : cases) {
    const whisker::Shape x_shape{shape.batch, shape.in_h, shape.in_w, shape.in_channels};
    const whisker::Shape w_shape{shape.out_channels, shape.kernel_h, shape.kernel_w,
                                 shape.in_channels};
    const whisker::Shape y_shape{shape.batch, shape.out_h(), shape.out_w(), shape.out_channels};
    const whisker::Conv2dOptions options{
        .stride_h = shape.stride_h, .stride_w = shape.stride_w, .padding = shape.padding};
    const Tensor x = cast(whisker::random_uniform(x_shape, -1, 1, {.seed = 1}), dtype);
    const Tensor dy = cast(whisker::random_uniform(y_shape, -1, 1, {.seed = 2}), dtype);
    const Tensor w = whisker::random_uniform(w_shape, -1, 1, {.seed = 3});
    const auto run = [&, &layer = case_name, flops = shape.flops()](
                         const char* pass, const std::function<void()>& body) {
      const std::string name = layer + " " + pass;
      if (name.find(filter) == std::string::npos) return;
      results.push_back({.name = name, .milliseconds = median_ms(body), .flops = flops});
      print_line(results.back(), peak);
    };
    run("forward", [&] { conv2d(x, w, Tensor(), options); });
    run("backward data", [&] { conv2d_input_grad(dy, w, x_shape, options); });
    run("backward weight", [&] { conv2d_weight_grad(x, dy, w_shape, options); });
  }
  return results;
}

}  // namespace whisker_bench
