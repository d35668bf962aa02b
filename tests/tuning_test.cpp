#ifdef WHISKER_CUDA
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
const std::vector<TunedConv2d> kRows{
    tuned(Conv2dPass::forward, Conv2dMath::bfloat16,
          {.algorithm = Conv2dAlgorithm::mma, .tile = 1}),
    tuned(Conv2dPass::backward_data, Conv2dMath::float32, {.algorithm = Conv2dAlgorithm::simt}),
    tuned(Conv2dPass::backward_weight, Conv2dMath::tf32,
          {.algorithm = Conv2dAlgorithm::few_channels, .splits = 7}),
    tuned(Conv2dPass::forward, Conv2dMath::tf32,
          {.algorithm = Conv2dAlgorithm::cudnn, .engine = "eng4_k2=1"})};

/// The file with one piece of its text replaced by another.
std::string broken(const std::string& from, const std::string& to) {
  std::string text = replace_tuning("", "GPU", {kRows[0]}, "table");
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
  const std::string second = replace_tuning(first, "other GPU", {kRows[1]}, "table");
  const std::string third = replace_tuning(second, "GPU", {kRows[2]}, "table");
  CHECK(parse_tuning(third, "GPU", "table") == std::vector{kRows[2]});
  CHECK(parse_tuning(third, "other GPU", "table") == std::vector{kRows[1]});
  CHECK(parse_tuning(third, "third GPU", "table").empty());
}

TEST_CASE("A malformed table of measurements is refused with the row and the field", "[tuning]") {
  struct Case {
    std::string text, message;
  };
  const Case cases[] = {
      {"{", "tuning: table is no JSON"},
      {"[]", "tuning: table does not say \"format\": \"whisker-tuning-1\""},
      {broken("tuning-1", "tuning-2"), "does not say \"format\""},
      {broken("\"devices\"", "\"device\""), "\"devices\" is no object"},
      {broken("\"conv2d\"", "\"conv3d\""), "tuning: table: GPU: \"conv2d\" is no list"},
      {broken("\"forward\"", "\"ahead\""),
       "GPU: row 1: \"pass\" is none of forward, backward_data, backward_weight"},
      {broken("\"batch\": 64", "\"batch\": -1"), "row 1: \"batch\" is no integer from 1"},
      {broken("\"batch\": 64", "\"batch\": 6.5"), "row 1: \"batch\" is no integer"},
      {broken("\"in_w\"", "\"in_v\""), "row 1: \"in_w\" is missing"},
      {broken("\"bfloat16\"", "16"), "row 1: \"dtype\" is no text"},
      {broken("\"own\"", "\"magic\""), "row 1: \"backend\" is neither own nor cudnn"},
      {broken("\"own\"", "\"cudnn\""), "row 1: \"engine\" is missing"},
      {broken("128x64", "1x1"), "row 1: \"tile\" is none that whisker has"},
      {broken("\"splits\": 1", "\"splits\": 0"), "row 1: \"splits\" is no integer from 1"},
      {broken("71.25", "0"), "row 1: \"microseconds\" is not positive"},
  };
  for (const Case& c : cases) {
    INFO(c.message);
    CHECK_THROWS_WITH(parse_tuning(c.text, "GPU", "table"), Catch::Contains(c.message));
    CHECK_THROWS_AS(parse_tuning(c.text, "GPU", "table"), InputError);
  }
}
#endif  // WHISKER_CUDA
