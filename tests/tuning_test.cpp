#ifdef WHISKER_CUDA
#include <array>
#include <string>

#include <whisker/core/cuda/tuning.h>
#include <whisker/kernels/check.h>

#include "catch.h"

using namespace whisker;
using namespace whisker::kernels::cuda;

namespace {

TunedConv2d tuned(Conv2dPass pass, Conv2dMath math, const Conv2dPlan& plan) {
  return {.pass = pass,
          .shape = {.batch = 64,
                    .in_h = 32,
                    .in_w = 30,
                    .in_channels = 128,
                    .out_channels = 256,
                    .kernel_h = 5,
                    .kernel_w = 4,
                    .stride_h = 2,
                    .stride_w = 3,
                    .padding = {.top = 1, .bottom = 2, .left = 0, .right = 3}},
          .math = math,
          .plan = plan,
          .microseconds = 71.25};
}

/// One of each kind.
const std::vector<TunedConv2d> kConvolutions{
    tuned(Conv2dPass::forward, Conv2dMath::bfloat16,
          {.algorithm = Conv2dAlgorithm::mma, .tile = 1}),
    tuned(Conv2dPass::backward_data, Conv2dMath::float32, {.algorithm = Conv2dAlgorithm::simt}),
    tuned(Conv2dPass::backward_weight, Conv2dMath::tf32,
          {.algorithm = Conv2dAlgorithm::few_channels, .splits = 7}),
    tuned(Conv2dPass::forward, Conv2dMath::tf32,
          {.algorithm = Conv2dAlgorithm::cudnn, .engine = "eng4_k2=1"})};
const std::vector<TunedMatmul> kProducts{
    {.shape = {.m = 64, .n = 65536, .k = 100, .transpose_b = true},
     .math = MathType::tf32,
     .backend = Backend::library,
     .microseconds = 12.5},
    {.shape = {.m = 100, .n = 65536, .k = 64, .transpose_a = true},
     .math = MathType::float32,
     .backend = Backend::own,
     .microseconds = 13.5}};
const std::vector<TunedBatchNorm> kNorms{
    {.problem = {.pass = BatchNormPass::backward,
                 .math = MathType::bfloat16,
                 .rows = 262144,
                 .channels = 128,
                 .leaky_relu = true},
     .backend = Backend::library,
     .microseconds = 93.75},
    {.problem = {.rows = 1000, .channels = 3}, .backend = Backend::own, .microseconds = 8.5}};
const Tuning kRows{kConvolutions, kProducts, kNorms};

/// The file of these rows with one piece of its text replaced by another.
std::string broken(const Tuning& rows, const std::string& from, const std::string& to) {
  std::string text = replace_tuning("", "GPU", rows, "table");
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("A table of measurements reads as it was written", "[tuning]") {
  CHECK(parse_tuning(replace_tuning("", "GPU", kRows, "table"), "GPU", "table") == kRows);
}

TEST_CASE("New measurements of a device replace its old ones and no others", "[tuning]") {
  const std::string first = replace_tuning("", "GPU", kRows, "table");
  const Tuning other{{kConvolutions[1]}, {kProducts[1]}, {}}, later{{kConvolutions[2]}, {}, kNorms};
  const std::string second = replace_tuning(first, "other GPU", other, "table");
  const std::string third = replace_tuning(second, "GPU", later, "table");
  CHECK(parse_tuning(third, "GPU", "table") == later);
  CHECK(parse_tuning(third, "other GPU", "table") == other);
  CHECK(parse_tuning(third, "third GPU", "table") == Tuning{});
}

TEST_CASE("A table from before there were other rows has those of convolutions", "[tuning]") {
  const char* const text = R"({"format": "whisker-tuning-1", "devices": {"GPU": {"conv2d": [
      {"pass": "backward_data", "dtype": "float32", "batch": 64, "in_h": 32, "in_w": 30,
       "in_channels": 128, "out_channels": 256, "kernel": [5, 4], "stride": [2, 3],
       "padding": [1, 2, 0, 3], "backend": "own", "algorithm": "simt", "splits": 1,
       "microseconds": 71.25}]}}})";
  CHECK(parse_tuning(text, "GPU", "table") == Tuning{{kConvolutions[1]}, {}, {}});
}

TEST_CASE("What was tuned is used on its device alone", "[tuning]") {
  constexpr int kDevice = 1002, kOther = 1003;  // none that a test computes on
  use_tuning(kDevice, kRows);
  const TunedConv2d& convolution = kConvolutions[0];
  const auto found = [&](int device) {
    return std::array{
        find_tuned_conv2d(device, convolution.pass, convolution.shape, convolution.math)
            .has_value(),
        find_tuned_matmul(device, kProducts[0].shape, kProducts[0].math).has_value(),
        find_tuned_batch_norm(device, kNorms[0].problem).has_value()};
  };
  CHECK(found(kDevice) == std::array{true, true, true});
  CHECK(found(kOther) == std::array{false, false, false});
  use_tuning(kDevice, {});
  CHECK(found(kDevice) == std::array{false, false, false});
}

TEST_CASE("A malformed table of measurements is refused with the row and the field", "[tuning]") {
  struct Case {
    std::string text, message;
  };
  const Tuning convolution{{kConvolutions[0]}, {}, {}}, product{{}, {kProducts[0]}, {}},
      norm{{}, {}, {kNorms[0]}};
  const Case cases[] = {
      {"{", "tuning: table is no JSON"},
      {"[]", "tuning: table does not say \"format\": \"whisker-tuning-1\""},
      {broken(convolution, "tuning-1", "tuning-2"), "does not say \"format\""},
      {broken(convolution, "\"devices\"", "\"device\""), "\"devices\" is no object"},
      {broken(convolution, "\"conv2d\"", "\"conv3d\""),
       "tuning: table: GPU: \"conv2d\" is missing"},
      {R"({"format": "whisker-tuning-1", "devices": {"GPU": {"conv2d": 1}}})",
       "GPU: \"conv2d\" is no list"},
      {broken(product, "\"matmul\"", "\"matmull\""),
       "GPU: \"matmull\" is none of conv2d, matmul, batch_norm"},
      {broken(convolution, "\"forward\"", "\"ahead\""),
       "GPU: conv2d row 1: \"pass\" is none of forward, backward_data, backward_weight"},
      {broken(convolution, "\"batch\": 64", "\"batch\": -1"),
       "row 1: \"batch\" is no integer from 1"},
      {broken(convolution, "\"batch\": 64", "\"batch\": 6.5"), "row 1: \"batch\" is no integer"},
      {broken(convolution, "\"in_w\"", "\"in_v\""), "row 1: \"in_w\" is missing"},
      {broken(convolution, "\"bfloat16\"", "16"), "row 1: \"dtype\" is no text"},
      {broken(convolution, "\"own\"", "\"magic\""), "row 1: \"backend\" is neither own nor cudnn"},
      {broken(convolution, "\"own\"", "\"cudnn\""), "row 1: \"engine\" is missing"},
      {broken(convolution, "\"tile\": \"", "\"tile\": \"1"),
       "row 1: \"tile\" is none that whisker has"},
      {broken(convolution, "\"splits\": 1", "\"splits\": 0"),
       "row 1: \"splits\" is no integer from 1"},
      {broken(convolution, "71.25", "0"),
       "row 1: \"microseconds\" is not positive; mend it, or write a new "
       "file with whisker_bench --tune"},
      {broken(product, "\"k\": 100", "\"k\": 0"), "GPU: matmul row 1: \"k\" is no integer from 1"},
      {broken(product, "\"n\": 65536", "\"n\": \"65536\""), "matmul row 1: \"n\" is no integer"},
      {broken(product, "\"transpose_b\": true", "\"transpose_b\": 1"),
       "matmul row 1: \"transpose_b\" is neither true nor false"},
      {broken(product, "\"transpose_a\"", "\"transposed_a\""),
       "matmul row 1: \"transpose_a\" is missing"},
      {broken(product, "\"tf32\"", "\"tf23\""),
       "matmul row 1: \"dtype\" is none of float32, tf32, bfloat16"},
      {broken(product, "\"cublas\"", "\"cudnn\""),
       "matmul row 1: \"backend\" is none of own, cublas"},
      {broken(product, "12.5", "-1"), "matmul row 1: \"microseconds\" is not positive"},
      {broken(norm, "\"backward\"", "\"statistics\""),
       "GPU: batch_norm row 1: \"pass\" is none of forward, backward"},
      {broken(norm, "\"bfloat16\"", "\"tf32\""),
       "batch_norm row 1: \"dtype\" is none of float32, bfloat16"},
      {broken(norm, "\"rows\": 262144", "\"rows\": 0"),
       "batch_norm row 1: \"rows\" is no integer from 1"},
      {broken(norm, "\"channels\"", "\"channel\""), "batch_norm row 1: \"channels\" is missing"},
      {broken(norm, "\"leaky_relu\": true", "\"leaky_relu\": 0.2"),
       "batch_norm row 1: \"leaky_relu\" is neither true nor false"},
      {broken(norm, "\"cudnn\"", "\"cublas\""),
       "batch_norm row 1: \"backend\" is none of own, cudnn"},
      {broken(norm, "93.75", "0"), "batch_norm row 1: \"microseconds\" is not positive"},
  };
  for (const Case& c : cases) {
    INFO(c.message);
    CHECK_THROWS_WITH(parse_tuning(c.text, "GPU", "table"), Catch::Contains(c.message));
    CHECK_THROWS_AS(parse_tuning(c.text, "GPU", "table"), InputError);
  }
}
#endif  // WHISKER_CUDA
