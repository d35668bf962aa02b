#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include <whisker/core/cuda/tuning.h>
#include <whisker/core/input_file.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/cuda/conv2d_tile.h>

namespace whisker::inline v0_1 {
namespace {

using kernels::Conv2dShape;
using kernels::cuda::Backend;
using kernels::cuda::BatchNormPass;
using kernels::cuda::Conv2dAlgorithm;
using kernels::cuda::Conv2dPass;
using kernels::cuda::Conv2dPlan;
using kernels::cuda::MathType;
using kernels::cuda::mma_tile_name;
using kernels::cuda::TunedBatchNorm;
using kernels::cuda::TunedConv2d;
using kernels::cuda::TunedMatmul;
using nlohmann::json;

constexpr const char* kFormat = "whisker-tuning-1";
constexpr int kMaxSplits = 4096;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 31;

template <class T>
using Names = std::span<const std::pair<T, const char*>>;

constexpr std::array<std::pair<Conv2dPass, const char*>, 3> kPasses{
    {{Conv2dPass::forward, "forward"},
     {Conv2dPass::backward_data, "backward_data"},
     {Conv2dPass::backward_weight, "backward_weight"}}};
constexpr std::array<std::pair<BatchNormPass, const char*>, 2> kBatchNormPasses{
    {{BatchNormPass::forward, "forward"}, {BatchNormPass::backward, "backward"}}};
constexpr std::array<std::pair<MathType, const char*>, 3> kMaths{
    {{MathType::float32, "float32"}, {MathType::tf32, "tf32"}, {MathType::bfloat16, "bfloat16"}}};
constexpr std::array<std::pair<MathType, const char*>, 2> kElements{
    {{MathType::float32, "float32"}, {MathType::bfloat16, "bfloat16"}}};
constexpr std::array<std::pair<Backend, const char*>, 2> kMatmulBackends{
    {{Backend::own, "own"}, {Backend::library, "cublas"}}};
constexpr std::array<std::pair<Backend, const char*>, 2> kBatchNormBackends{
    {{Backend::own, "own"}, {Backend::library, "cudnn"}}};
constexpr std::array<std::pair<Conv2dAlgorithm, const char*>, 3> kOwnAlgorithms{
    {{Conv2dAlgorithm::simt, "simt"},
     {Conv2dAlgorithm::mma, "mma"},
     {Conv2dAlgorithm::few_channels, "few_channels"}}};

template <class T>
const char* name_of(T value, Names<T> names) {
  return std::find_if(names.begin(), names.end(), [&](auto& n) { return n.first == value; })
      ->second;
}

/// An object of the file and where it stands there, for messages.
class Row {
 public:
  Row(const json& object, std::string place) : object_(object), place_(std::move(place)) {
    check<InputError>(object.is_object(), place_, ": is no object");
  }

  template <class... Args>
  [[noreturn]] void fail(const char* field, const Args&... message) const {
    throw InputError(str(place_, ": \"", field, "\" ", message...,
                         "; mend it, or write a new file with ", "whisker_bench --tune"));
  }
  std::int64_t integer(const char* field, std::int64_t low, std::int64_t high) const {
    return integer_of(field, at(field), low, high);
  }
  template <std::size_t kCount>
  std::array<int, kCount> integers(const char* field, int low) const {
    const json& list = at(field);
    if (!list.is_array() || list.size() != kCount) fail(field, "is no list of ", kCount);
    std::array<int, kCount> values{};
    for (std::size_t i = 0; i < kCount; ++i)
      values[i] = static_cast<int>(integer_of(field, list[i], low, 1 << 20));
    return values;
  }
  bool flag(const char* field) const {
    if (!at(field).is_boolean()) fail(field, "is neither true nor false");
    return at(field).get<bool>();
  }
  std::string text(const char* field) const {
    if (!at(field).is_string()) fail(field, "is no text");
    return at(field).get<std::string>();
  }
  double positive(const char* field) const {
    if (!at(field).is_number() || !(at(field).get<double>() > 0.0)) fail(field, "is not positive");
    return at(field).get<double>();
  }
  template <class T>
  T choice(const char* field, Names<T> names) const {
    const std::string wanted = text(field);
    std::string known;
    for (const auto& [value, name] : names) {
      if (wanted == name) return value;
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    fail(field, "is none of ", known);
  }

 private:
  const json& at(const char* field) const {
    const auto found = object_.find(field);
    if (found == object_.end()) fail(field, "is missing");
    return *found;
  }
  std::int64_t integer_of(const char* field, const json& value, std::int64_t low,
                          std::int64_t high) const {
    if (!value.is_number_integer() || value.get<std::int64_t>() < low ||
        value.get<std::int64_t>() > high)
      fail(field, "is no integer from ", low, " to ", high);
    return value.get<std::int64_t>();
  }

  const json& object_;
  std::string place_;
};

Conv2dPlan parse_plan(const Row& row) {
  const std::string backend = row.text("backend");
  if (backend == "cudnn")
    return {.algorithm = Conv2dAlgorithm::cudnn, .engine = row.text("engine")};
  if (backend != "own") row.fail("backend", "is neither own nor cudnn");
  Conv2dPlan plan{.algorithm = row.choice<Conv2dAlgorithm>("algorithm", kOwnAlgorithms)};
  plan.splits = static_cast<int>(row.integer("splits", 1, kMaxSplits));
  if (plan.algorithm != Conv2dAlgorithm::mma) return plan;
  const std::string tile = row.text("tile");
  while (plan.tile < kernels::cuda::kMmaTileCount && mma_tile_name(plan.tile) != tile)
    ++plan.tile;
  if (plan.tile == kernels::cuda::kMmaTileCount) row.fail("tile", "is none that whisker has");
  return plan;
}

TunedConv2d parse_conv2d(const Row& row) {
  const auto kernel = row.integers<2>("kernel", 1), stride = row.integers<2>("stride", 1);
  const auto padding = row.integers<4>("padding", 0);
  return {.pass = row.choice<Conv2dPass>("pass", kPasses),
          .shape = {.batch = row.integer("batch", 1, kMaxExtent),
                    .in_h = row.integer("in_h", 0, kMaxExtent),
                    .in_w = row.integer("in_w", 0, kMaxExtent),
                    .in_channels = row.integer("in_channels", 1, kMaxExtent),
                    .out_channels = row.integer("out_channels", 1, kMaxExtent),
                    .kernel_h = kernel[0],
                    .kernel_w = kernel[1],
                    .stride_h = stride[0],
                    .stride_w = stride[1],
                    .padding = {padding[0], padding[1], padding[2], padding[3]}},
          .math = row.choice<MathType>("dtype", kMaths),
          .plan = parse_plan(row),
          .microseconds = row.positive("microseconds")};
}

TunedMatmul parse_matmul(const Row& row) {
  return {.shape = {.m = row.integer("m", 1, kMaxExtent),
                    .n = row.integer("n", 1, kMaxExtent),
                    .k = row.integer("k", 1, kMaxExtent),
                    .transpose_a = row.flag("transpose_a"),
                    .transpose_b = row.flag("transpose_b")},
          .math = row.choice<MathType>("dtype", kMaths),
          .backend = row.choice<Backend>("backend", kMatmulBackends),
          .microseconds = row.positive("microseconds")};
}

TunedBatchNorm parse_batch_norm(const Row& row) {
  return {.problem = {.pass = row.choice<BatchNormPass>("pass", kBatchNormPasses),
                      .math = row.choice<MathType>("dtype", kElements),
                      .rows = row.integer("rows", 1, kMaxExtent),
                      .channels = row.integer("channels", 1, kMaxExtent),
                      .leaky_relu = row.flag("leaky_relu")},
          .backend = row.choice<Backend>("backend", kBatchNormBackends),
          .microseconds = row.positive("microseconds")};
}

/// The list of this name, empty if there is none.
template <class T>
std::vector<T> parse_rows(const json& lists, const char* name, const std::string& place,
                          T (*parse)(const Row&)) {
  std::vector<T> rows;
  const auto list = lists.find(name);
  if (list == lists.end()) return rows;
  check<InputError>(list->is_array(), place, ": \"", name, "\" is no list");
  for (const json& row : *list)
    rows.push_back(parse(Row(row, str(place, ": ", name, " row ", rows.size() + 1))));
  return rows;
}

json to_json(const TunedConv2d& row) {
  const Conv2dShape& s = row.shape;
  json object = {{"pass", name_of<Conv2dPass>(row.pass, kPasses)},
                 {"dtype", name_of<MathType>(row.math, kMaths)},
                 {"batch", s.batch},
                 {"in_h", s.in_h},
                 {"in_w", s.in_w},
                 {"in_channels", s.in_channels},
                 {"out_channels", s.out_channels},
                 {"kernel", {s.kernel_h, s.kernel_w}},
                 {"stride", {s.stride_h, s.stride_w}},
                 {"padding", {s.padding.top, s.padding.bottom, s.padding.left, s.padding.right}},
                 {"microseconds", row.microseconds}};
  if (row.plan.algorithm == Conv2dAlgorithm::cudnn) {
    object.update({{"backend", "cudnn"}, {"engine", row.plan.engine}});
    return object;
  }
  object.update({{"backend", "own"},
                 {"algorithm", name_of<Conv2dAlgorithm>(row.plan.algorithm, kOwnAlgorithms)},
                 {"splits", row.plan.splits}});
  if (row.plan.algorithm == Conv2dAlgorithm::mma) object["tile"] = mma_tile_name(row.plan.tile);
  return object;
}

json to_json(const TunedMatmul& row) {
  const kernels::MatmulShape& s = row.shape;
  return {{"dtype", name_of<MathType>(row.math, kMaths)},
          {"m", s.m},
          {"n", s.n},
          {"k", s.k},
          {"transpose_a", s.transpose_a},
          {"transpose_b", s.transpose_b},
          {"backend", name_of<Backend>(row.backend, kMatmulBackends)},
          {"microseconds", row.microseconds}};
}

json to_json(const TunedBatchNorm& row) {
  const kernels::cuda::BatchNormProblem& p = row.problem;
  return {{"pass", name_of<BatchNormPass>(p.pass, kBatchNormPasses)},
          {"dtype", name_of<MathType>(p.math, kElements)},
          {"rows", p.rows},
          {"channels", p.channels},
          {"leaky_relu", p.leaky_relu},
          {"backend", name_of<Backend>(row.backend, kBatchNormBackends)},
          {"microseconds", row.microseconds}};
}

template <class T>
json list_of(const std::vector<T>& rows) {
  json list = json::array();
  for (const T& row : rows)
    list.push_back(to_json(row));
  return list;
}

/// The whole file, checked down to the devices.
json parse_file(const std::string& text, const std::string& source) {
  // The library copies and writes nested values by recursion, which the stack must bear.
  constexpr int kMaxDepth = 16;
  const auto refuse_depth = [&](int depth, json::parse_event_t, json&) {
    check<InputError>(depth <= kMaxDepth, "tuning: ", source, " nests lists and objects more than ",
                      kMaxDepth, " deep");
    return true;
  };
  const json file = json::parse(text, refuse_depth, false);
  check<InputError>(!file.is_discarded(), "tuning: ", source, " is no JSON");
  check<InputError>(file.is_object() && file.value("format", json()) == kFormat, "tuning: ", source,
                    " does not say \"format\": \"", kFormat,
                    "\"; write it with "
                    "whisker_bench --tune");
  check<InputError>(file.contains("devices") && file["devices"].is_object(), "tuning: ", source,
                    ": \"devices\" is no object");
  return file;
}

}  // namespace

Tuning parse_tuning(const std::string& text, const std::string& device, const std::string& source) {
  const json file = parse_file(text, source);
  const auto found = file["devices"].find(device);
  if (found == file["devices"].end()) return {};
  const std::string place = str("tuning: ", source, ": ", device);
  check<InputError>(found->is_object() && found->contains("conv2d"), place,
                    ": \"conv2d\" is missing");
  for (const auto& [name, list] : found->items())
    check<InputError>(name == "conv2d" || name == "matmul" || name == "batch_norm", place, ": \"",
                      name, "\" is none of conv2d, matmul, batch_norm");
  return {.conv2d = parse_rows(*found, "conv2d", place, parse_conv2d),
          .matmul = parse_rows(*found, "matmul", place, parse_matmul),
          .batch_norm = parse_rows(*found, "batch_norm", place, parse_batch_norm)};
}

std::string replace_tuning(const std::string& text, const std::string& device, const Tuning& rows,
                           const std::string& source) {
  json file = text.empty() ? json{{"format", kFormat}, {"devices", json::object()}}
                           : parse_file(text, source);
  file["devices"][device] = {{"conv2d", list_of(rows.conv2d)},
                             {"matmul", list_of(rows.matmul)},
                             {"batch_norm", list_of(rows.batch_norm)}};
  return file.dump(1) + "\n";
}

Tuning read_tuning(const std::filesystem::path& path, const std::string& device) {
  InputFile file(path);
  std::string text(file.size(), '\0');
  file.read(std::as_writable_bytes(std::span(text)));
  return parse_tuning(text, device, path.string());
}

}  // namespace whisker::inline v0_1
