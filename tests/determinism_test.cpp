#include <whisker/core/ops.h>

#include "catch.h"
#include "shapes.h"
#include "testing.h"

namespace whisker::testing {
namespace {

/// The result of f and the gradients of its inputs.
Tensors forward_and_backward(const Function& f, const Tensors& inputs) {
  const Tensors leaves = leaves_of(inputs);
  const Tensor y = f(leaves);
  Tensors results = gradients(sum(square(y)), leaves);
  results.push_back(y.detach());
  return results;
}

struct Case {
  const char* remark;
  Function f;
  Tensors inputs;
};

/// Ops that are loops of our own, at sizes that several threads share.
std::vector<Case> own_loops(Dtype dtype) {
  const Dtype wide = dtype == Dtype::bfloat16 ? Dtype::float32 : dtype;
  const Tensor x = random_tensor({9, 41, 43, 37}, dtype, 1, 0.1f, 2.0f);
  const Tensor channel = random_tensor({37}, dtype, 2, 0.5f, 1.5f);
  return {
      {"elementwise", [](const Tensors& in) { return selu(tanh(log(in[0]))); }, {x}},
      {"broadcast", [](const Tensors& in) { return in[0] * in[1] + in[0] / in[1]; }, {x, channel}},
      {"sum over all", [](const Tensors& in) { return sum(in[0]); }, {x}},
      {"sum over rows",
       [](const Tensors& in) {
         return sum(in[0], {0, 1, 2});
       },
       {x}},
      {"sum over columns", [](const Tensors& in) { return sum(in[0], {-1}); }, {x}},
      {"batch_norm",
       [](const Tensors& in) { return batch_norm(in[0], in[1], in[2], {.slope = 0.2}).y; },
       {x, random_tensor({37}, wide, 3), random_tensor({37}, wide, 4)}},
  };
}

}  // namespace

TEST_CASE("our own loops give the same bits with any number of threads", "[determinism]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::bfloat16, Dtype::float64})
    for (const Case& c : own_loops(dtype)) {
      INFO(c.remark << ", " << dtype);
      const Tensors expected = forward_and_backward(c.f, c.inputs);
      for (const int threads : {1, 2, 3, 5}) {
        const ThreadScope scope(threads);
        INFO(threads << " threads");
        CHECK(same_bits(forward_and_backward(c.f, c.inputs), expected));
      }
    }
}

TEST_CASE("every op gives the same bits when it is run again", "[determinism]") {
  for (const Case& c : own_loops(Dtype::float32)) {
    INFO(c.remark);
    CHECK(same_bits(forward_and_backward(c.f, c.inputs), forward_and_backward(c.f, c.inputs)));
  }
  const auto check_again = [](const char* remark, const Function& f, const Tensors& inputs) {
    INFO(remark);
    const Tensors expected = forward_and_backward(f, inputs);
    for (int run = 0; run < 3; ++run)
      CHECK(same_bits(forward_and_backward(f, inputs), expected));
  };
  for (const ConvCase& c : large_convs())
    check_again(c.remark,
                [&](const Tensors& in) { return conv2d(in[0], in[1], Tensor(), c.options); },
                {random_tensor(c.x, Dtype::float32, 1), random_tensor(c.weight)});
  for (const ConvCase& c : large_transposed_convs())
    check_again(
        c.remark,
        [&](const Tensors& in) { return conv_transpose2d(in[0], in[1], Tensor(), c.options); },
        {random_tensor(c.x, Dtype::float32, 1), random_tensor(c.weight)});
  check_again("matmul", [](const Tensors& in) { return matmul(in[0], in[1]); },
              {random_tensor({70, 301}), random_tensor({301, 129})});
}

TEST_CASE("convolutions and products give the same bits with any number of threads",
          "[determinism]") {
  const auto check_threads = [](const char* remark, const Function& f, const Tensors& inputs) {
    INFO(remark);
    const auto run = [&](int threads) {
      const ThreadScope scope(threads);
      return forward_and_backward(f, inputs);
    };
    const Tensors expected = run(1);
    for (const int threads : {2, 3, 4, 7}) {
      INFO(threads << " threads");
      CHECK(same_bits(run(threads), expected));
    }
  };
  for (const ConvCase& c : large_convs())
    check_threads(c.remark,
                  [&](const Tensors& in) { return conv2d(in[0], in[1], in[2], c.options); },
                  {random_tensor(c.x, Dtype::float32, 1), random_tensor(c.weight),
                   random_tensor({c.weight[0]})});
  for (const ConvCase& c : large_transposed_convs())
    check_threads(
        c.remark,
        [&](const Tensors& in) { return conv_transpose2d(in[0], in[1], Tensor(), c.options); },
        {random_tensor(c.x, Dtype::float32, 1), random_tensor(c.weight)});
  // The weight gradients of few channels are cut by images, those of many by channels.
  for (const std::int64_t in : {3, 24, 64})
    for (const std::int64_t out : {5, 16, 48})
      check_threads("5x5, stride 2",
                    [](const Tensors& t) {
                      return conv2d(t[0], t[1], Tensor(), {.stride_h = 2, .stride_w = 2});
                    },
                    {random_tensor({13, 20, 22, in}), random_tensor({out, 5, 5, in})});
  // 37 images make tasks of ten and a last one of seven.
  check_threads("a prime number of images",
                [](const Tensors& t) { return conv2d(t[0], t[1], Tensor(), {}); },
                {random_tensor({37, 12, 12, 8}), random_tensor({16, 3, 3, 8})});
  check_threads("matmul", [](const Tensors& t) { return matmul(t[0], t[1]); },
                {random_tensor({700, 301}), random_tensor({301, 129})});
  check_threads("dense, wide", [](const Tensors& t) { return matmul(t[0], t[1]); },
                {random_tensor({8, 100}), random_tensor({100, 16384})});
  check_threads("tanh", [](const Tensors& t) { return tanh(t[0]); }, {random_tensor({3, 41000})});
}

TEST_CASE("an image's convolution does not depend on the rest of its batch", "[determinism]") {
  // The forward pass sums over the kernel only, never over images.
  for (const ConvCase& c : large_convs()) {
    if (c.x[0] < 2) continue;
    INFO(c.remark);
    const Tensor x = random_tensor(c.x), weight = random_tensor(c.weight);
    const Tensor all = conv2d(x, weight, Tensor(), c.options);
    const Tensor one = conv2d(slice(x, 1, 2).clone(), weight, Tensor(), c.options);
    CHECK(mismatch(one, to_array(slice(all, 1, 2)), product_tolerance(Dtype::float32)) == "");
  }
}

}  // namespace whisker::testing
