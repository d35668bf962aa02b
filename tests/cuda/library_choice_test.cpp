// Who computes products and batch norms: our kernels or NVIDIA's libraries.
#include <whisker/kernels/cuda/batch_norm_choice.h>
#include <whisker/kernels/cuda/matmul_choice.h>

#include "catch.h"
#include "kernel_test.h"

namespace whisker::testing {
namespace {

using namespace kernels::cuda;
using kernels::MatmulShape;

/// Much work in rows of 16 bytes and multiples, and the same in rows of any length.
constexpr MatmulShape kEven{.m = 1024, .n = 1024, .k = 1024};
constexpr MatmulShape kOdd{.m = 1021, .n = 1021, .k = 1021};
constexpr MatmulFacts kBfloat16{.math = MathType::bfloat16, .cublas = true};
constexpr MatmulFacts kTf32{.math = MathType::tf32, .cublas = true};
constexpr MatmulFacts kFloat32{.math = MathType::float32, .cublas = true};

Backend choose(const MatmulShape& shape, const MatmulFacts& facts) {
  return choose_matmul_backend(shape, facts, Policy::automatic);
}

constexpr BatchNormProblem kNorm{.rows = 1000, .channels = 64};

}  // namespace

TEST_CASE("The variables that name a library have three values", "[choice]") {
  for (const LibraryOp& op : {kConv2dByCudnn, kMatmulByCublas, kBatchNormByCudnn}) {
    CHECK(parse_policy(op, "") == Policy::automatic);
    CHECK(parse_policy(op, "auto") == Policy::automatic);
    CHECK(parse_policy(op, "own") == Policy::own);
    CHECK(parse_policy(op, op.value) == Policy::library);
  }
  CHECK_THROWS_WITH(parse_policy(kConv2dByCudnn, "best"),
                    "conv2d: WHISKER_CONV is auto, own or cudnn, not 'best'");
  CHECK_THROWS_WITH(parse_policy(kMatmulByCublas, "cudnn"),
                    "matmul: WHISKER_MATMUL is auto, own or cublas, not 'cudnn'");
  CHECK_THROWS_WITH(parse_policy(kBatchNormByCudnn, "CUDNN"),
                    "batch_norm: WHISKER_NORM is auto, own or cudnn, not 'CUDNN'");
}

TEST_CASE("A product is ours where tensor cores read whole chunks, and where it is small",
          "[matmul][choice]") {
  CHECK(choose(kEven, kBfloat16) == Backend::own);
  CHECK(choose(kEven, kTf32) == Backend::own);
  CHECK(choose({.m = 64, .n = 61, .k = 67}, kBfloat16) == Backend::own);
  CHECK(choose({.m = 1021, .n = 1021, .k = 0}, kBfloat16) == Backend::own);
}

TEST_CASE("A large product is cuBLAS's where our tensor-core kernel gathers single elements",
          "[matmul][choice]") {
  CHECK(choose(kOdd, kBfloat16) == Backend::library);
  CHECK(choose(kOdd, kTf32) == Backend::library);
  MatmulFacts askew = kBfloat16;
  askew.aligned = false;
  CHECK(choose(kEven, askew) == Backend::library);
  // Rows of four floats are 16 bytes, rows of four bfloat16 are not.
  const MatmulShape fours{.m = 1028, .n = 1028, .k = 1028};
  CHECK(choose(fours, kTf32) == Backend::own);
  CHECK(choose(fours, kBfloat16) == Backend::library);
  // a lies in rows of k, or of m if transposed; b in rows of n, or of k.
  CHECK(choose({.m = 1021, .n = 1024, .k = 1024}, kBfloat16) == Backend::own);
  CHECK(choose({.m = 1021, .n = 1024, .k = 1024, .transpose_a = true}, kBfloat16) ==
        Backend::library);
  CHECK(choose({.m = 1024, .n = 1021, .k = 1024}, kBfloat16) == Backend::library);
  CHECK(choose({.m = 1024, .n = 1021, .k = 1024, .transpose_b = true}, kBfloat16) == Backend::own);
}

TEST_CASE("Products in float32 and those without cuBLAS stay ours", "[matmul][choice]") {
  CHECK(choose(kOdd, kFloat32) == Backend::own);
  MatmulFacts without = kBfloat16;
  without.cublas = false;
  CHECK(choose(kOdd, without) == Backend::own);
  CHECK(choose_matmul_backend(kOdd, without, Policy::automatic, Backend::library) == Backend::own);
  CHECK(choose_matmul_backend(kOdd, without, Policy::own) == Backend::own);
  CHECK_THROWS_WITH(choose_matmul_backend(kOdd, without, Policy::library),
                    "matmul: WHISKER_MATMUL=cublas, but cuBLAS was not found; install it, put its "
                    "folder on LD_LIBRARY_PATH, or set WHISKER_MATMUL=auto");
}

TEST_CASE("A product goes where it was told, or else was measured, to go", "[matmul][choice]") {
  const auto tuned = [](const MatmulShape& shape, Policy policy, Backend backend) {
    return choose_matmul_backend(shape, kBfloat16, policy, backend);
  };
  CHECK(tuned(kEven, Policy::automatic, Backend::library) == Backend::library);
  CHECK(tuned(kOdd, Policy::automatic, Backend::own) == Backend::own);
  CHECK(tuned(kEven, Policy::own, Backend::library) == Backend::own);
  CHECK(tuned(kEven, Policy::library, Backend::own) == Backend::library);
  CHECK(choose_matmul_backend(kEven, kFloat32, Policy::automatic, Backend::library) ==
        Backend::library);
  CHECK(choose_matmul_backend(kEven, kFloat32, Policy::library) == Backend::library);
}

TEST_CASE("The table of measured products tells devices, shapes and types apart",
          "[matmul][choice]") {
  constexpr int kDevice = 1004, kOther = 1005;  // none that a test computes on
  const TunedMatmul row{.shape = kEven, .math = MathType::tf32, .backend = Backend::library};
  TunedMatmul again = row;
  again.backend = Backend::own;
  set_tuned_matmul(kDevice, {row});
  CHECK(find_tuned_matmul(kDevice, kEven, MathType::tf32) == Backend::library);
  CHECK(!find_tuned_matmul(kOther, kEven, MathType::tf32));
  CHECK(!find_tuned_matmul(kDevice, kEven, MathType::bfloat16));
  for (const MatmulShape& other :
       {MatmulShape{1023, 1024, 1024}, MatmulShape{1024, 1023, 1024}, MatmulShape{1024, 1024, 1023},
        MatmulShape{1024, 1024, 1024, true, false}, MatmulShape{1024, 1024, 1024, false, true}})
    CHECK(!find_tuned_matmul(kDevice, other, MathType::tf32));
  set_tuned_matmul(kDevice, {row, again});
  CHECK(find_tuned_matmul(kDevice, kEven, MathType::tf32) == Backend::own);
  set_tuned_matmul(kDevice, {});
  CHECK(!find_tuned_matmul(kDevice, kEven, MathType::tf32));
}

TEST_CASE("The facts of a product are its arithmetic and whether both operands are aligned",
          "[matmul][choice]") {
  alignas(16) const float values[8] = {};
  Context context;
  CHECK(matmul_facts(context, values, values + 4).aligned);
  CHECK(!matmul_facts(context, values, values + 1).aligned);
  CHECK(!matmul_facts(context, values + 1, values).aligned);
  CHECK(matmul_facts(context, values, values).math == MathType::float32);
  context.tf32 = true;
  CHECK(matmul_facts(context, values, values).math == MathType::tf32);
  const bfloat16* const none = nullptr;
  CHECK(matmul_facts(context, none, none).math == MathType::bfloat16);
}

TEST_CASE("Batch norm is ours unless it was told or measured otherwise", "[batch_norm][choice]") {
  const auto choose = [](Policy policy, std::optional<Backend> tuned) {
    return choose_batch_norm_backend(kNorm, policy, true, tuned);
  };
  CHECK(choose(Policy::automatic, {}) == Backend::own);
  CHECK(choose(Policy::automatic, Backend::own) == Backend::own);
  CHECK(choose(Policy::automatic, Backend::library) == Backend::library);
  CHECK(choose(Policy::own, Backend::library) == Backend::own);
  CHECK(choose(Policy::library, Backend::own) == Backend::library);
}

TEST_CASE("Batch norm is ours where there is no cuDNN, and where that takes no such size",
          "[batch_norm][choice]") {
  CHECK(choose_batch_norm_backend(kNorm, Policy::automatic, false, Backend::library) ==
        Backend::own);
  CHECK(choose_batch_norm_backend(kNorm, Policy::own, false) == Backend::own);
  CHECK_THROWS_WITH(choose_batch_norm_backend(kNorm, Policy::library, false),
                    "batch_norm: WHISKER_NORM=cudnn, but cuDNN 9 was not found; install it, put "
                    "its folder on LD_LIBRARY_PATH, or set WHISKER_NORM=auto");
  const auto choose = [](Policy policy, std::int64_t rows, std::int64_t channels) {
    return choose_batch_norm_backend({.rows = rows, .channels = channels}, policy, true,
                                     Backend::library);
  };
  for (const Policy policy : {Policy::automatic, Policy::library}) {
    CHECK(choose(policy, 1, 1) == Backend::own);
    CHECK(choose(policy, 2, 1) == Backend::library);
    CHECK(choose(policy, (1 << 25) - 1, 64) == Backend::library);
    CHECK(choose(policy, 1 << 25, 64) == Backend::own);
  }
}

TEST_CASE("The table of measured batch norms tells devices and problems apart",
          "[batch_norm][choice]") {
  constexpr int kDevice = 1006, kOther = 1007;  // none that a test computes on
  const kernels::BatchNormShape shape{.rows = 1000, .channels = 64, .slope = 0.2};
  const auto problem = batch_norm_problem<float>(BatchNormPass::forward, shape);
  set_tuned_batch_norm(kDevice, {{.problem = problem, .backend = Backend::own},
                                 {.problem = problem, .backend = Backend::library}});
  const auto find = [&](BatchNormPass pass, const kernels::BatchNormShape& s, auto element) {
    return find_tuned_batch_norm(kDevice, batch_norm_problem<decltype(element)>(pass, s));
  };
  kernels::BatchNormShape other_slope = shape, linear = shape, rows = shape, channels = shape;
  other_slope.slope = 0.1;
  linear.slope = 1.0;
  ++rows.rows;
  ++channels.channels;
  CHECK(find(BatchNormPass::forward, shape, 0.0f) == Backend::library);
  CHECK(find(BatchNormPass::forward, other_slope, 0.0f) == Backend::library);  // costs the same
  CHECK(!find(BatchNormPass::forward, linear, 0.0f));
  CHECK(!find(BatchNormPass::forward, rows, 0.0f));
  CHECK(!find(BatchNormPass::forward, channels, 0.0f));
  CHECK(!find(BatchNormPass::backward, shape, 0.0f));
  CHECK(!find(BatchNormPass::forward, shape, bfloat16()));
  CHECK(!find_tuned_batch_norm(kOther, problem));
  set_tuned_batch_norm(kDevice, {});
  CHECK(!find(BatchNormPass::forward, shape, 0.0f));
}

#ifndef WHISKER_CUDNN

TEST_CASE("A build without the libraries computes by our kernels what was tuned for others",
          "[matmul][batch_norm][choice][cuda]") {
  // The device that all kernel tests run on.
  Context& context = test_context();
  const MatmulShape product{2, 2, 2};
  const kernels::BatchNormShape norm{.rows = 2, .channels = 2};
  set_tuned_matmul(context.device, {{.shape = product, .backend = Backend::library}});
  set_tuned_batch_norm(context.device,
                       {{.problem = batch_norm_problem<float>(BatchNormPass::forward, norm),
                         .backend = Backend::library}});
  const std::vector<double> values{1, 2, 3, 4};
  const DeviceSlice<float> a(values), identity({1, 0, 0, 1}), c(4), y(4);
  const DeviceSlice<float> zeros(std::vector<double>{0, 0}), ones(std::vector<double>{1, 1});
  kernels::cuda::matmul(a.get(), identity.get(), c.get(), product, context);
  CHECK(c.download() == values);
  CHECK_THROWS_WITH(
      kernels::cuda::matmul(Backend::library, a.get(), identity.get(), c.get(), product, context),
      "matmul: this build has no cuBLAS");
  kernels::cuda::batch_norm_forward(a.get(), ones.get(), zeros.get(), zeros.get(), ones.get(),
                                    y.get(), norm, context);
  CHECK(mismatch(y.download(), values, 0.0, 1e-5) == "");
  CHECK_THROWS_WITH(
      kernels::cuda::batch_norm_forward(Backend::library, a.get(), ones.get(), zeros.get(),
                                        zeros.get(), ones.get(), y.get(), norm, context),
      "batch_norm: this build has no cuDNN");
  set_tuned_matmul(context.device, {});
  set_tuned_batch_norm(context.device, {});
}

#endif  // WHISKER_CUDNN

}  // namespace whisker::testing
