#include <algorithm>

#include <whisker/core/ops.h>
#include <whisker/kernels/cpu/implementations.h>

#include "catch.h"
#include "shapes.h"
#include "testing.h"

namespace whisker::testing {
namespace {

struct LayerShape {
  const char* layer;
  bool transposed;
  Shape x, weight;
  int stride;
};

// The article's nets at 128x128 and the demo's at 64x64, two images at a time.
const LayerShape kLayers[] = {
    {"article G 1", true, {2, 8, 8, 1024}, {1024, 5, 5, 512}, 2},
    {"article G 2", true, {2, 16, 16, 512}, {512, 5, 5, 256}, 2},
    {"article G 3", true, {2, 32, 32, 256}, {256, 5, 5, 128}, 2},
    {"article G 4", true, {2, 64, 64, 128}, {128, 5, 5, 64}, 2},
    {"article G 5", true, {2, 128, 128, 64}, {64, 5, 5, 3}, 1},
    {"article D 1", false, {2, 128, 128, 3}, {64, 5, 5, 3}, 2},
    {"article D 2", false, {2, 64, 64, 64}, {128, 5, 5, 64}, 2},
    {"article D 3", false, {2, 32, 32, 128}, {256, 5, 5, 128}, 2},
    {"article D 4", false, {2, 16, 16, 256}, {512, 5, 5, 256}, 1},
    {"article D 5", false, {2, 16, 16, 512}, {1024, 5, 5, 512}, 2},
    {"demo G 1", true, {2, 4, 4, 256}, {256, 5, 5, 128}, 2},
    {"demo G 2", true, {2, 8, 8, 128}, {128, 5, 5, 64}, 2},
    {"demo G 3", true, {2, 16, 16, 64}, {64, 5, 5, 32}, 2},
    {"demo G 4", true, {2, 32, 32, 32}, {32, 5, 5, 3}, 2},
    {"demo D 1", false, {2, 64, 64, 3}, {32, 5, 5, 3}, 2},
    {"demo D 2", false, {2, 32, 32, 32}, {64, 5, 5, 32}, 2},
    {"demo D 3", false, {2, 16, 16, 64}, {128, 5, 5, 64}, 2},
};

struct DenseShape {
  const char* layer;
  std::int64_t in, out;
};
const DenseShape kDense[] = {
    {"article G dense", 100, 8 * 8 * 1024},
    {"article D dense", 8 * 8 * 1024, 1},
    {"demo G dense", 64, 4 * 4 * 256},
    {"demo D dense", 8 * 8 * 128, 1},
};

/// The reference implementations that body picked and that nothing picked before it.
template <class Body>
std::vector<std::string> slow_implementations(const Body& body) {
  const auto before = kernels::cpu::used_implementations();
  body();
  std::vector<std::string> slow;
  for (const std::string& name : kernels::cpu::used_implementations())
    if (!before.contains(name) && name.find("ref") != std::string::npos) slow.push_back(name);
  return slow;
}

void check_no_slow_kernels(Dtype dtype) {
  const std::vector<std::string> none;
  for (const LayerShape& s : kLayers) {
    INFO(s.layer << ", x " << s.x << ", weight " << s.weight << ", " << dtype);
    CHECK(slow_implementations([&] {
            const Conv2dOptions options = Conv2dOptions::same(s.stride);
            const Tensors in = leaves_of({random_tensor(s.x, dtype), random_tensor(s.weight),
                                          Tensor::zeros({s.weight[s.transposed ? 3 : 0]})});
            const auto op = s.transposed ? conv_transpose2d : conv2d;
            sum(op(in[0], in[1], in[2], options)).backward();
            sum(op(in[0], in[1], Tensor(), options)).backward();
          }) == none);
  }
  for (const DenseShape& s : kDense) {
    INFO(s.layer << ", " << dtype);
    CHECK(slow_implementations([&] {
            const Tensors in = leaves_of({random_tensor({2, s.in}, dtype),
                                          random_tensor({s.out, s.in}), Tensor::zeros({s.out})});
            sum(dense(in[0], in[1], in[2])).backward();
          }) == none);
  }
}

}  // namespace

// ctest runs every test in a process of its own, so that nothing was picked before.
TEST_CASE("oneDNN runs the nets in float32 without its slow reference kernels",
          "[implementations]") {
  check_no_slow_kernels(Dtype::float32);
}

TEST_CASE("oneDNN runs the nets in bfloat16 without its slow reference kernels",
          "[implementations][bfloat16]") {
  if (!kernels::cpu::has_native_bfloat16()) SKIP("this CPU has no bfloat16 arithmetic");
  check_no_slow_kernels(Dtype::bfloat16);
}

TEST_CASE("the implementations that oneDNN picks are noted by name", "[implementations]") {
  matmul(random_tensor({3, 5}), random_tensor({5, 7}));
  CHECK_FALSE(kernels::cpu::used_implementations().empty());
  CHECK_FALSE(kernels::cpu::instruction_set().empty());
}

}  // namespace whisker::testing
