// Tensors of the dtypes that files have and ops do not compute with.
#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <span>
#include <string>

#include <whisker/core/ops.h>
#include <whisker/core/safetensors.h>

#include "catch.h"
#include "file_fixtures.h"
#include "safetensors_corpus.h"
#include "testing.h"

namespace whisker::testing {
namespace {

const std::map<std::string, Dtype> kStored{{"BOOL", Dtype::boolean},
                                           {"I8", Dtype::int8},
                                           {"I16", Dtype::int16},
                                           {"U16", Dtype::uint16},
                                           {"U32", Dtype::uint32},
                                           {"I64", Dtype::int64},
                                           {"U64", Dtype::uint64},
                                           {"F16", Dtype::float16},
                                           {"F8_E4M3", Dtype::float8_e4m3},
                                           {"F8_E5M2", Dtype::float8_e5m2},
                                           {"F8_E8M0", Dtype::float8_e8m0},
                                           {"F8_E4M3FNUZ", Dtype::float8_e4m3fnuz},
                                           {"F8_E5M2FNUZ", Dtype::float8_e5m2fnuz},
                                           {"C64", Dtype::complex64},
                                           {"F6_E2M3", Dtype::float6_e2m3},
                                           {"F6_E3M2", Dtype::float6_e3m2},
                                           {"F4", Dtype::float4_e2m1}};

/// A tensor of 24 bytes, as a file gives it.
Tensor stored(const std::string& code) {
  const std::size_t elements = 24 * 8 / static_cast<std::size_t>(bits_of(kStored.at(code)));
  const std::string bytes =
      safetensors_corpus::make_file(R"({"t":{"dtype":")" + code + R"(","shape":[)" +
                                        std::to_string(elements) + R"(],"data_offsets":[0,24]}})",
                                    "\x01\x02\x7F\x80\xFF\x3C" + std::string(18, '\0'));
  return parse_safetensors(std::as_bytes(std::span(bytes)), code).tensors.at("t");
}

const SafetensorsFile& golden() {
  static const SafetensorsFile file = load_safetensors(std::filesystem::path(WHISKER_SOURCE_DIR) /
                                                       "tests/golden/stored_dtypes.safetensors");
  return file;
}

/// The same value, with any NaN for a NaN.
bool same_values(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Array x = to_array(a), y = to_array(b);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    if (!(std::isnan(x[i]) && std::isnan(y[i])) &&
        (x[i] != y[i] || std::signbit(x[i]) != std::signbit(y[i])))
      return false;
  return true;
}

}  // namespace

TEST_CASE("every dtype of the format is read, and saved with the same bits", "[safetensors]") {
  const file_fixtures::Folder folder;
  for (const auto& [code, dtype] : kStored) {
    INFO(code);
    const Tensor t = stored(code);
    CHECK(t.dtype() == dtype);
    CHECK(t.bytes() == 24);
    save_safetensors(folder / "again", {.tensors = {{"t", t}}});
    CHECK(same_bits(load_safetensors(folder / "again").tensors.at("t"), t));
  }
}

TEST_CASE("dtypes that are only stored become the numbers that PyTorch makes of them",
          "[safetensors][cast]") {
  // Every float16 and every float8, subnormals, infinities and NaN among them, and the ends of the
  // integers; the file has a tensor "x" and what PyTorch converts it to, as "x/float32".
  int compared = 0;
  for (const auto& [name, tensor] : golden().tensors) {
    if (!is_only_stored(tensor.dtype())) continue;
    INFO(name);
    for (const Dtype to : {Dtype::float32, Dtype::float64, Dtype::bfloat16}) {
      const auto expected = golden().tensors.find(str(name, "/", to));
      if (expected == golden().tensors.end()) continue;
      INFO(to);
      CHECK(same_values(cast(tensor, to), expected->second));
      ++compared;
    }
  }
  CHECK(compared == 28);
  // A cast of a tensor on another device stays there.
  const Tensor half = golden().tensors.at("float16");
  const Tensor moved = cast(half.to(default_device()), Dtype::float32);
  CHECK(moved.device() == default_device());
  CHECK(same_values(moved, golden().tensors.at("float16/float32")));
}

TEST_CASE("casts from integers round once", "[cast]") {
  const std::vector<std::int64_t> values{(1LL << 53) + 1, (1LL << 40) + (1LL << 16) + 1,
                                         std::numeric_limits<std::int64_t>::min(), -1};
  const Tensor y = cast(Tensor::from(values, {4}), Dtype::float32);
  CHECK(y.to_vector<float>() == std::vector<float>{0x1p53f, 0x1p40f + 0x1p17f, -0x1p63f, -1.0f});
  CHECK(Tensor::from<std::uint64_t>({std::numeric_limits<std::uint64_t>::max()}, {1}).item() ==
        0x1p64);
  CHECK(Tensor::from<std::int64_t>({-7}, {}).item() == -7.0);
}

TEST_CASE("a checkpoint of PyTorch with counters loads and saves as it was", "[safetensors]") {
  // What safetensors.torch wrote of a BatchNorm2d: num_batches_tracked is an I64.
  const Tensor count = golden().tensors.at("bn.num_batches_tracked");
  CHECK(count.dtype() == Dtype::int64);
  CHECK(count.item() == 3.0);
  CHECK(golden().tensors.at("bn.running_mean").dtype() == Dtype::float32);
}

TEST_CASE("ops refuse dtypes that are only stored and say to cast", "[safetensors][errors]") {
  for (const auto& [code, dtype] : kStored) {
    INFO(code);
    const Tensor t = stored(code);
    const std::string name = name_of(dtype);
    const auto refuses = [&](const std::function<void()>& body) {
      return shape_error_lacks({name}, body) == "";
    };
    CHECK(shape_error_lacks({"relu", name, "cast()"}, [&] { relu(t); }) == "");
    CHECK(shape_error_lacks({"add", name, "cast()"}, [&] { add(t, t); }) == "");
    CHECK(shape_error_lacks({"sum", name, "cast()"}, [&] { sum(t); }) == "");
    CHECK(refuses([&] { Tensor::full({24}, 1.0, dtype); }));
    CHECK(refuses([&] { Tensor(t).data<float>(); }));
    CHECK_THROWS_AS(Tensor(t).set_requires_grad(), Error);
    CHECK_THROWS_AS(cast(Tensor::zeros({8}), dtype), ShapeError);
  }
  for (const char* code : {"C64", "F6_E2M3", "F6_E3M2", "F4"})
    CHECK(shape_error_lacks({"cast", "no conversion", name_of(kStored.at(code))},
                            [&] { cast(stored(code), Dtype::float32); }) == "");
}

TEST_CASE("packed elements are cut at whole bytes only", "[safetensors][errors]") {
  const Tensor t = stored("F4").view({16, 3});
  CHECK(t.view({8, 6}).view_rows(1, 3).bytes() == 6);
  CHECK_THROWS_AS(t.view_rows(1, 3), ShapeError);
  CHECK_THROWS_AS(Tensor::empty({3}, Dtype::float4_e2m1, Device::cpu()), ShapeError);
  CHECK_THROWS_AS(size_of(Dtype::float6_e2m3), Error);
}

}  // namespace whisker::testing
