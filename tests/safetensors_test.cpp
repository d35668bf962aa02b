#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <string>

#include <whisker/core/crc32c.h>
#include <whisker/core/memory_pool.h>
#include <whisker/core/safetensors.h>

#include "catch.h"
#include "file_fixtures.h"
#include "safetensors_corpus.h"
#include "testing.h"

using namespace whisker;
using namespace file_fixtures;
using safetensors_corpus::make_file;

namespace {

SafetensorsFile parse(const std::string& bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes)), "bad.safetensors");
}

bool same_tensors(const SafetensorsFile& a, const SafetensorsFile& b) {
  if (a.tensors.size() != b.tensors.size()) return false;
  for (const auto& [name, tensor] : a.tensors)
    if (!b.tensors.contains(name) || !testing::same_bits(tensor, b.tensors.at(name))) return false;
  return true;
}

// Every dtype, a scalar, sizes of zero, values that are not numbers, odd names.
SafetensorsFile varied_file() {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float payload = std::bit_cast<float>(0xFFC12345u);
  SafetensorsFile file;
  file.tensors["scalar"] = Tensor::from<float>({-0.0f}, {});
  file.tensors["special"] = Tensor::from<float>({nan, payload, INFINITY, -INFINITY, 1e-45f}, {5});
  file.tensors["double"] = Tensor::from<double>({1.0 / 3, NAN, 5e-324}, {1, 3, 1});
  file.tensors["half"] = Tensor::from<bfloat16>({bfloat16(1.5f), bfloat16(nan)}, {2});
  file.tensors["int"] = Tensor::from<std::int32_t>({INT32_MIN, -1, 0, INT32_MAX}, {2, 2});
  file.tensors["byte"] = Tensor::from<std::uint8_t>({0, 127, 128, 254, 255}, {1, 1, 1, 1, 1, 5});
  file.tensors["none"] = Tensor::zeros({0});
  file.tensors["none either"] = Tensor::zeros({3, 0, 1'000'000}, Dtype::uint8);
  file.tensors[""] = Tensor::from<std::uint8_t>({1}, {1});
  file.tensors["\"\\/\n\x01 \xC3\xA9\xF0\x9F\x90\x88"] = Tensor::from<float>({2.0f}, {1});
  file.metadata = {{"format", "pt"}, {"", ""}, {"config", "{\"a\": [1, 2]}\n\xE2\x82\xAC"}};
  return file;
}

// About 1 KiB.
std::string small_file(const Folder& folder) {
  SafetensorsFile file;
  file.tensors["weight"] = testing::random_tensor({4, 3, 5});
  file.tensors["bias"] = testing::random_tensor({8}, Dtype::bfloat16);
  file.tensors["step"] = Tensor::from<std::int32_t>({1234567}, {});
  file.tensors["image"] = Tensor::from(std::vector<std::uint8_t>(320, 7), {1, 10, 8, 4});
  file.metadata = {{"format", "pt"}};
  save_safetensors(folder / "small", file);
  return read_text(folder / "small");
}

}  // namespace

TEST_CASE("CRC-32C gives the published values however the bytes are cut", "[safetensors]") {
  const auto crc_of = [](const std::string& text, std::size_t cut) {
    const auto bytes = std::as_bytes(std::span(text));
    Crc32c crc;
    crc.add(bytes.first(cut));
    crc.add(bytes.subspan(cut));
    return crc.value();
  };
  std::string ascending;
  for (int i = 0; i < 32; ++i)
    ascending += static_cast<char>(i);
  for (std::size_t cut = 0; cut <= 32; ++cut) {
    // RFC 3720, appendix B.4.
    CHECK(crc_of(std::string(32, '\0'), cut) == 0x8A9136AAu);
    CHECK(crc_of(std::string(32, '\xFF'), cut) == 0x62A8AB43u);
    CHECK(crc_of(ascending, cut) == 0x46DD794Eu);
  }
  CHECK(crc_of("123456789", 4) == 0xE3069283u);
  CHECK(crc_of("", 0) == 0u);
}

TEST_CASE("the example of the format's documentation is read", "[safetensors]") {
  const std::string bytes = std::string("<\0\0\0\0\0\0\0", 8) +
                            R"({"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}})" +
                            std::string(16, '\0');
  const SafetensorsFile file = parse(bytes);
  REQUIRE(file.tensors.size() == 1);
  CHECK(file.tensors.at("test").shape() == Shape{2, 2});
  CHECK(file.tensors.at("test").to_vector<std::int32_t>() == std::vector<std::int32_t>(4, 0));
  CHECK(file.metadata.empty());
}

TEST_CASE("a safetensors file is written byte for byte as the format says", "[safetensors]") {
  SafetensorsFile file;
  file.tensors["a"] = Tensor::from<std::uint8_t>({1, 2, 3}, {3});
  file.tensors["b"] = Tensor::from<bfloat16>({bfloat16(1.0f), bfloat16(-2.0f)}, {2});
  file.tensors["c"] = Tensor::from<float>({1.0f, -2.0f}, {1, 2});
  file.tensors["d"] = Tensor::from<std::int32_t>({-1}, {});
  file.tensors["e"] = Tensor::from<double>({1.0}, {1});
  file.tensors["f"] = Tensor::zeros({0, 5});
  file.metadata["format"] = "pt";
  const Folder folder;
  save_safetensors(folder / "golden", file);

  // The checksum was computed by a bit-by-bit CRC-32C in another language.
  const std::string header =
      R"({"__metadata__":{"format":"pt","whisker.checksum":"crc32c:7fb0be32"},)"
      R"("e":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
      R"("c":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},)"
      R"("f":{"dtype":"F32","shape":[0,5],"data_offsets":[16,16]},)"
      R"("d":{"dtype":"I32","shape":[],"data_offsets":[16,20]},)"
      R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[20,24]},)"
      R"("a":{"dtype":"U8","shape":[3],"data_offsets":[24,27]}} )";
  const std::string data(
      "\x00\x00\x00\x00\x00\x00\xF0\x3F"                  // e
      "\x00\x00\x80\x3F\x00\x00\x00\xC0\xFF\xFF\xFF\xFF"  // c, d
      "\x80\x3F\x00\xC0\x01\x02\x03",
      27);  // b, a
  CHECK(header.size() == 400);
  CHECK(read_text(folder / "golden") == make_file(header, data));
}

TEST_CASE("what is saved is loaded with the same bits", "[safetensors]") {
  const Folder folder;
  for (const SafetensorsFile& file : {varied_file(), SafetensorsFile{}}) {
    save_safetensors(folder / "saved", file);
    const SafetensorsFile loaded = load_safetensors(folder / "saved");
    CHECK(same_tensors(loaded, file));
    CHECK(loaded.metadata == file.metadata);
    CHECK(same_tensors(parse(read_text(folder / "saved")), file));
  }
}

TEST_CASE("equal content gives equal files, and the data section is aligned", "[safetensors]") {
  const Folder folder;
  save_safetensors(folder / "a", varied_file());
  save_safetensors(folder / "b", varied_file());
  CHECK(read_text(folder / "a") == read_text(folder / "b"));
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, read_text(folder / "a").data(), 8);
  CHECK(header_size % 8 == 0);
}

TEST_CASE("files of other writers are read", "[safetensors]") {
  const auto tensors_of = [](const std::string& header, const std::string& data) {
    return parse(make_file(header, data));
  };
  CHECK(tensors_of("{}", "").tensors.empty());
  CHECK(tensors_of("{} \n\t\r  ", "").tensors.empty());
  CHECK(tensors_of(R"({"__metadata__":{}})", "").metadata.empty());
  CHECK(tensors_of(R"({"__metadata__":null})", "").metadata.empty());

  SECTION("in any order of keys and tensors, with spaces, metadata last") {
    const SafetensorsFile file =
        tensors_of(R"({ "z" : { "shape" : [ 2 ] , "data_offsets" : [ 4 , 6 ] , "dtype" : "U8" } ,)"
                   R"("a":{"data_offsets":[0,4],"dtype":"F32","shape":[]},"\u00e9":{"dtype":"U8",)"
                   R"("shape":[0,9],"data_offsets":[4,4]},"__metadata__":{"k":"\ud83d\udc08"}})",
                   std::string("\0\0\x80\x3F\1\2", 6));
    CHECK(file.tensors.at("a").item() == 1.0);
    CHECK(file.tensors.at("z").to_vector<std::uint8_t>() == std::vector<std::uint8_t>{1, 2});
    CHECK(file.tensors.at("\xC3\xA9").shape() == Shape{0, 9});
    CHECK(file.metadata.at("k") == "\xF0\x9F\x90\x88");
  }
  SECTION("with more keys than the format has, as deep as the reference reader goes") {
    for (const std::string& note :
         {std::string("\"x\""), std::string("null"), std::string("-1.5e3"), std::string("true"),
          std::string("123456789012345678901234567890"), std::string("{}"), std::string("[]"),
          std::string(R"({"dtype":[1,{"shape":[null]}],"dtype":2,"data_offsets":{}})"),
          std::string(125, '[') + std::string(125, ']')}) {
      INFO(note);
      for (const std::string& entry :
           {R"("note":)" + note + R"(,"dtype":"U8","shape":[2],"data_offsets":[0,2])",
            R"("dtype":"U8","shape":[2],"data_offsets":[0,2],"a":1,"note":)" + note}) {
        const SafetensorsFile file = tensors_of(R"({"t":{)" + entry + "}}", "\1\2");
        CHECK(file.tensors.at("t").to_vector<std::uint8_t>() == std::vector<std::uint8_t>{1, 2});
      }
    }
  }
  SECTION("with tensors at odd addresses") {
    const SafetensorsFile file =
        tensors_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                   R"("b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]}})",
                   std::string("x\0\0\0\0\0\0\xF0\x3F", 9));
    CHECK(file.tensors.at("b").item() == 1.0);
  }
}

TEST_CASE("every kind of bad safetensors file is refused with its reason", "[safetensors]") {
  const std::vector<safetensors_corpus::BadFile> files = safetensors_corpus::bad_files();
  REQUIRE(files.size() >= 100);
  const std::size_t peak = MemoryPool::host().stats().peak_bytes;
  const Folder folder;
  for (const auto& bad : files) {
    INFO("expected: " << bad.reason);
    const std::string message = message_of<InputError>([&] { parse(bad.bytes); });
    CHECK_THAT(message, StartsWith("bad.safetensors: ") && ContainsSubstring(bad.reason));
    CHECK(message.size() < 500);

    const auto path = folder / "on disk";
    write_text(path, bad.bytes);
    CHECK(message_of<InputError>([&] { load_safetensors(path); }) ==
          path.string() + message.substr(message.find(':')));
  }
  // A lie about a size must not become an allocation.
  CHECK(MemoryPool::host().stats().peak_bytes <= peak + 4096);
}

TEST_CASE("a safetensors file cut short anywhere is refused", "[safetensors]") {
  const Folder folder;
  const std::string whole = small_file(folder);
  REQUIRE(whole.size() > 900);
  REQUIRE_NOTHROW(parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO("cut to " << size << " bytes");
    CHECK_THROWS_AS(parse(whole.substr(0, size)), InputError);
  }
}

TEST_CASE("a flipped bit in a saved file is noticed", "[safetensors]") {
  const Folder folder;
  const std::string whole = small_file(folder);
  const SafetensorsFile original = parse(whole);
  int harmless = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    INFO("bit " << bit % 8 << " of byte " << bit / 8);
    try {
      const SafetensorsFile file = parse(damaged);
      ++harmless;
      // Only the name of the checksum itself can change unnoticed.
      CHECK(same_tensors(file, original));
      CHECK(file.metadata.at("format") == "pt");
      CHECK(file.metadata.size() == 2);
    } catch (const InputError&) {
    }
  }
  CHECK(harmless > 0);
  CHECK(harmless < 8 * static_cast<int>(std::strlen(kSafetensorsChecksumKey)));
}

TEST_CASE("a flipped bit in a file without checksum crashes nothing", "[safetensors]") {
  const std::string whole =
      make_file(R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,2],)"
                R"("data_offsets":[0,16]},"b":{"dtype":"U8","shape":[0],"data_offsets":[16,16]}})",
                std::string(16, '\x5A'));
  int refused = 0;
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      const SafetensorsFile file = parse(damaged);
      CHECK(file.tensors.size() == 2);
    } catch (const InputError&) {
      ++refused;
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("a checksum survives another layout of the same content", "[safetensors]") {
  const Folder folder;
  std::string bytes = small_file(folder);
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  const std::string header = "{ " + bytes.substr(9, header_size - 1);
  const std::string data = bytes.substr(8 + header_size);
  CHECK(same_tensors(parse(make_file(header, data)), parse(bytes)));
  CHECK_THAT(message_of<InputError>([&] { parse(make_file(header, std::string(data.size(), 1))); }),
             ContainsSubstring("damaged"));
}

TEST_CASE("files of many tensors or much metadata are read", "[safetensors]") {
  constexpr std::size_t kMany = 70'000;
  const auto header_with = [](std::size_t count, bool metadata) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i)
      text += (i ? ",\"" : "\"") + std::to_string(i) +
              (metadata ? R"(":"")" : R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
    return metadata ? R"({"__metadata__":{)" + text + "}}" : "{" + text + "}";
  };
  CHECK(parse(make_file(header_with(kMany, false), "")).tensors.size() == kMany);
  const SafetensorsFile file = parse(make_file(header_with(kMany, true), ""));
  CHECK(file.metadata.size() == kMany);
  const Folder folder;
  save_safetensors(folder / "x", file);
  CHECK(load_safetensors(folder / "x").metadata == file.metadata);
}

TEST_CASE("content that no reader would take is not written", "[safetensors]") {
  const Folder folder;
  const auto refusal = [&](const SafetensorsFile& file) {
    return message_of<Error>([&] { save_safetensors(folder / "x", file); });
  };
  const Tensor one = Tensor::zeros({1});
  CHECK_THAT(refusal({.tensors = {{"w", Tensor()}}}), ContainsSubstring("tensor 'w' has no value"));
  CHECK_THAT(refusal({.tensors = {{"__metadata__", one}}}), ContainsSubstring("__metadata__"));
  CHECK_THAT(refusal({.tensors = {{"\xFF", one}}}), ContainsSubstring("not valid UTF-8"));
  CHECK_THAT(refusal({.metadata = {{"\xC3", ""}}}), ContainsSubstring("not valid UTF-8"));
  CHECK_THAT(refusal({.metadata = {{"k", "\x80"}}}), ContainsSubstring("not valid UTF-8"));
  CHECK(folder.count() == 0);
}

TEST_CASE("tensors that cannot be held are left out on request, and listed", "[safetensors]") {
  const std::string bytes =
      make_file(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                R"("new":{"dtype":"F12","shape":[2],"data_offsets":[2,5]},)"
                R"("deep":{"dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[5,9]},)"
                R"("z":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}})",
                "\1\2xxxyyyy\3");
  CHECK_THAT(message_of<InputError>([&] { parse(bytes); }), ContainsSubstring("skip_unsupported"));
  const SafetensorsFile file = parse_safetensors(std::as_bytes(std::span(bytes)), "new.safetensors",
                                                 {.skip_unsupported = true});
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors.at("a").to_vector<std::uint8_t>() == std::vector<std::uint8_t>{1, 2});
  CHECK(file.tensors.at("z").item() == 3.0);
  REQUIRE(file.skipped.size() == 2);
  CHECK(file.skipped[0].name == "new");
  CHECK(file.skipped[0].reason == "'F12' is no dtype of the format");
  CHECK(file.skipped[1].name == "deep");
  CHECK_THAT(file.skipped[1].reason, ContainsSubstring("more than 6 dimensions"));
  // What is known of a tensor that is left out must still be right.
  const std::string lie =
      make_file(R"({"deep":{"dtype":"F32","shape":[1,1,1,1,1,1,2],"data_offsets":[0,4]}})", "xxxx");
  CHECK_THAT(message_of<InputError>([&] {
               parse_safetensors(std::as_bytes(std::span(lie)), "lie", {.skip_unsupported = true});
             }),
             ContainsSubstring("takes 8 bytes, data_offsets [0,4] hold 4"));
  CHECK(parse(make_file("{}", "")).skipped.empty());
}

TEST_CASE("paths that are no files are refused at once", "[safetensors]") {
  const Folder folder;
  const auto missing = folder / "missing";
  CHECK_THAT(message_of<IoError>([&] { load_safetensors(missing); }),
             StartsWith(missing.string() + ": cannot open: "));
  CHECK_THAT(message_of<InputError>([&] { load_safetensors(folder.path()); }),
             StartsWith(folder.path().string() + ": is a folder"));
  CHECK_THAT(message_of<InputError>([&] { load_safetensors("/dev/zero"); }),
             ContainsSubstring("a device"));
}

// Run by tests/tools/check_safetensors.py alone.
TEST_CASE("a file named by the environment is loaded and saved again", "[.resave]") {
  const char* input = std::getenv("WHISKER_RESAVE_INPUT");
  const char* output = std::getenv("WHISKER_RESAVE_OUTPUT");
  REQUIRE(input);
  REQUIRE(output);
  save_safetensors(output, load_safetensors(input));
}
