#include "safetensors_corpus.h"

#include <cstdint>
#include <cstring>

namespace safetensors_corpus {
namespace {

using std::string;

string little_endian(std::uint64_t value) {
  string bytes(8, '\0');
  std::memcpy(bytes.data(), &value, 8);
  return bytes;
}

string repeat(const string& text, std::size_t count) {
  string all;
  for (std::size_t i = 0; i < count; ++i)
    all += text;
  return all;
}

// A header with one tensor 't'.
string entry(const string& dtype, const string& shape, const string& offsets) {
  return R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

// A header with tensors of four bytes, at the given offsets.
string tensors_at(const std::vector<std::uint64_t>& begins) {
  string header;
  for (std::size_t i = 0; i < begins.size(); ++i)
    header += string(i ? "," : "") + "\"" + static_cast<char>('a' + i) +
              R"(":{"dtype":"F32","shape":[],"data_offsets":[)" + std::to_string(begins[i]) + "," +
              std::to_string(begins[i] + 4) + "]}";
  return "{" + header + "}";
}

void add_bad_lengths(std::vector<BadFile>& files) {
  const string good = make_file(tensors_at({0}), string(4, 'x'));
  files.push_back({"", "has only 0 bytes"});
  files.push_back({"\x02", "has only 1 bytes"});
  files.push_back({string(7, '\0'), "has only 7 bytes"});
  files.push_back({string(8, '\0'), "does not begin with '{'"});
  files.push_back(
      {little_endian(2), "ends after 0 of them; it is truncated or not a safetensors file"});
  files.push_back({little_endian(3) + "{}", "takes 3 bytes and the file ends after 2"});
  files.push_back({little_endian(100'000'000) + "{}", "takes 100000000 bytes"});
  files.push_back({little_endian(100'000'001) + "{}", "the format allows 100000000"});
  files.push_back({little_endian(~std::uint64_t{0}) + "{}", "is 18446744073709551615, the format"});
  files.push_back({little_endian(~std::uint64_t{7}) + "{}", "is 18446744073709551608, the format"});
  files.push_back({string("\0\0\0\0\0\0\0\2{}", 10), "is 144115188075855872, the format"});
  files.push_back({good + "y", "1 bytes after the last tensor belong to no tensor"});
  files.push_back({good + good, "bytes after the last tensor"});
  files.push_back({good.substr(0, good.size() - 1), "is truncated: its tensors take 4 bytes, 3"});
  files.push_back({make_file("{}", "data"), "4 bytes after the last tensor"});
  files.push_back({"\x89PNG\r\n\x1a\n" + string(100, 'x'), "not a safetensors file"});
  files.push_back({"PK\x03\x04" + string(100, '\0'), "not a safetensors file"});
}

void add_bad_json(std::vector<BadFile>& files) {
  const auto add = [&](const string& header, const string& reason) {
    files.push_back({make_file(header, ""), reason});
  };
  add("", "does not begin with '{'");
  add(" {}", "does not begin with '{'");
  add("[]", "does not begin with '{'");
  add("null", "does not begin with '{'");
  add("\xEF\xBB\xBF{}", "does not begin with '{'");
  add("{", "not valid JSON, byte 1 of 1");
  add("{}}", "not valid JSON, byte 3 of 3");
  add("{} x", "not valid JSON, byte 4 of 4");
  add("{}{}", "not valid JSON, byte 3 of 4");
  add("{,}", "not valid JSON");
  add("{\"a\"}", "not valid JSON");
  add("{'a':1}", "not valid JSON");
  add("{} // comment", "not valid JSON");
  add(string("{}\0\0", 4), "byte 2 is zero");
  add(string("{}\0{\"t\":1}", 10), "byte 2 is zero");
  add(string("{\"a\0b\":{}}", 10), "byte 3 is zero");
  add("{\"\xFF\":{}}", "ill-formed UTF-8");
  add("{\"\xC0\xAF\":{}}", "ill-formed UTF-8");
  add("{\"\xED\xA0\x80\":{}}", "ill-formed UTF-8");
  add("{\"\xF4\x90\x80\x80\":{}}", "ill-formed UTF-8");
  add("{\"\xE2\x82\":{}}", "ill-formed UTF-8");
  add(R"({"\ud800":{}})", "not valid JSON");
  add("{\"a\tb\":{}}", "not valid JSON");
  add("{\"t\":{\"shape\":[1e999]}}", "not valid JSON");
  add("{\"t\":{\"shape\":[01]}}", "not valid JSON");
  add("{\"t\":{\"shape\":[NaN]}}", "not valid JSON");
  add("{\"t\":{\"shape\":[1,]}}", "not valid JSON");
  add("{\"" + string(100'000, 'n'), "not valid JSON");
  add("{\"t\":{\"shape\":" + string(150'000, '['), "tensor 't': shape must be a list of unsigned");
  // The reference reader refuses more than 127 levels as well.
  const string deep = "tensor 't': objects and lists more than 127 deep";
  add(repeat("{\"t\":", 150'000), deep);
  add("{\"t\":{\"note\":" + string(150'000, '['), deep);
  add("{\"t\":{\"note\":" + string(126, '[') + string(126, ']') + "}}", deep);
  add("{\"t\":{\"note\":" + repeat("{\"a\":[", 75'000), deep);
  add("{\"t\":" + string(150'000, '['), "tensor 't' must be an object, found a list");
  add("{\"__metadata__\":" + string(150'000, '['), "__metadata__ must be an object of texts");
  add("{\"__metadata__\":{\"a\":" + string(150'000, '['), "the value of 'a' must be a text");
  add("{\"t\":{\"note\":1e999}}", "not valid JSON");
}

void add_bad_entries(std::vector<BadFile>& files) {
  const auto add = [&](const string& header, const string& reason) {
    files.push_back({make_file(header, string(8, 'x')), reason});
  };
  add(R"({"t":1})", "tensor 't' must be an object, found the number 1");
  add(R"({"t":null})", "tensor 't' must be an object, found null");
  add(R"({"t":[]})", "tensor 't' must be an object, found a list");
  add(R"({"t":"F32"})", "tensor 't' must be an object, found the text 'F32'");
  add(R"({"t":{}})", "tensor 't': dtype is missing");
  add(R"({"t":{"dtype":"U8","shape":[8]}})", "tensor 't': data_offsets is missing");
  add(R"({"t":{"dtype":"U8","data_offsets":[0,8]}})", "tensor 't': shape is missing");
  add(R"({"t":{"shape":[8],"data_offsets":[0,8]}})", "tensor 't': dtype is missing");
  add(R"({"t":{"Dtype":"U8","shape":[8],"data_offsets":[0,8]}})", "tensor 't': dtype is missing");
  add(R"({"t":{"note":{"dtype":"U8"},"shape":[8],"data_offsets":[0,8]}})", "dtype is missing");
  add(R"({"t":{"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
      "tensor 't': the key 'dtype' occurs twice");
  add(R"({"t":{"dtype":"U8","shape":[8],"shape":[8],"data_offsets":[0,8]}})",
      "tensor 't': the key 'shape' occurs twice");
  add(R"({"t":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"data_offsets":[0,8]}})",
      "tensor 't': the key 'data_offsets' occurs twice");
  add(R"({"t":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
      R"("t":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
      "two entries named 't'");
  add(R"({"t":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
      R"("\u0074":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
      "two entries named 't'");

  add(entry("8", "[8]", "[0,8]"), "dtype must be a text, found the number 8");
  add(entry("[\"U8\"]", "[8]", "[0,8]"), "dtype must be a text, found a list");
  add(entry("null", "[8]", "[0,8]"), "dtype must be a text, found null");
  add(entry("\"u8\"", "[8]", "[0,8]"), "'u8' is no dtype of the format");
  add(entry("\"\"", "[8]", "[0,8]"), "'' is no dtype of the format");
  add(entry("\"F12\"", "[4]", "[0,8]"),
      "tensor 't': 'F12' is no dtype of the format; leave it out");
  add(entry("\"F4\"", "[15]", "[0,8]"), "tensor 't': F4 [15] ends within a byte");
  add(entry("\"F6_E2M3\"", "[10]", "[0,8]"), "tensor 't': F6_E2M3 [10] ends within a byte");
  add(entry("\"F6_E3M2\"", "[4]", "[0,8]"), "F6_E3M2 [4] takes 3 bytes, data_offsets [0,8] hold 8");
  add(entry("\"F16\"", "[3]", "[0,8]"), "F16 [3] takes 6 bytes, data_offsets [0,8] hold 8");
  add(entry("\"I64\"", "[2]", "[0,8]"), "I64 [2] takes 16 bytes, data_offsets [0,8] hold 8");
  add(entry("\"C64\"", "[2]", "[0,8]"), "C64 [2] takes 16 bytes, data_offsets [0,8] hold 8");
  // The reference reader takes the next two, which are no objects, though the format asks for one.
  add(R"({"t":["U8",[8],[0,8]]})", "tensor 't' must be an object, found a list");
  add(entry(R"({"U8":null})", "[8]", "[0,8]"), "dtype must be a text, found an object");

  const string shape_rule = "tensor 't': shape must be a list of unsigned integers, found ";
  add(entry("\"U8\"", "8", "[0,8]"), shape_rule + "the number 8");
  add(entry("\"U8\"", "null", "[0,8]"), shape_rule + "null");
  add(entry("\"U8\"", "{}", "[0,8]"), shape_rule + "an object");
  add(entry("\"U8\"", "\"8\"", "[0,8]"), shape_rule + "the text '8'");
  add(entry("\"U8\"", "[-8]", "[0,8]"), shape_rule + "the number -8");
  add(entry("\"U8\"", "[-0]", "[0,8]"), shape_rule + "the number 0");
  add(entry("\"U8\"", "[8.0]", "[0,8]"), shape_rule + "the number '8.0'");
  add(entry("\"U8\"", "[8e0]", "[0,8]"), shape_rule + "the number '8e0'");
  add(entry("\"U8\"", "[true]", "[0,8]"), shape_rule + "true");
  add(entry("\"U8\"", "[[8]]", "[0,8]"), shape_rule + "a list");
  add(entry("\"U8\"", "[\"8\"]", "[0,8]"), shape_rule + "the text '8'");
  add(entry("\"U8\"", "[18446744073709551616]", "[0,8]"), shape_rule + "the number '1844674");
  // The reference reader has no limit.
  add(entry("\"U8\"", "[1,1,1,1,1,1,8]", "[0,8]"), "tensor 't': more than 6 dimensions");
}

void add_bad_sizes(std::vector<BadFile>& files) {
  const auto add = [&](const string& header, const string& reason) {
    files.push_back({make_file(header, string(8, 'x')), reason});
  };
  const string offsets_rule = "data_offsets must be a list of two unsigned integers, found ";
  add(entry("\"U8\"", "[8]", "8"), offsets_rule + "the number 8");
  add(entry("\"U8\"", "[8]", "[]"), offsets_rule + "a list of 0");
  add(entry("\"U8\"", "[8]", "[8]"), offsets_rule + "a list of 1");
  add(entry("\"U8\"", "[8]", "[0,8,8]"), offsets_rule + "a third number");
  add(entry("\"U8\"", "[8]", "[0,8.0]"), offsets_rule + "the number '8.0'");
  add(entry("\"U8\"", "[8]", "[-1,7]"), offsets_rule + "the number -1");
  add(entry("\"U8\"", "[8]", "[0,null]"), offsets_rule + "null");
  add(entry("\"U8\"", "[8]", "[8,0]"), "data_offsets [8,0] end before they begin");
  add(entry("\"U8\"", "[8]", "[0,7]"), "U8 [8] takes 8 bytes, data_offsets [0,7] hold 7");
  add(entry("\"F32\"", "[8]", "[0,8]"), "F32 [8] takes 32 bytes, data_offsets [0,8] hold 8");
  add(entry("\"F64\"", "[]", "[0,0]"), "F64 [] takes 8 bytes, data_offsets [0,0] hold 0");
  add(entry("\"U8\"", "[0]", "[0,8]"), "U8 [0] takes 0 bytes, data_offsets [0,8] hold 8");
  add(entry("\"F32\"", "[4611686018427387904]", "[0,0]"), "takes more than 2^64 bytes");
  add(entry("\"U8\"", "[4294967296,4294967296]", "[0,0]"), "has more than 2^62 elements");
  add(entry("\"U8\"", "[18446744073709551615]", "[0,8]"), "has more than 2^62 elements");
  add(entry("\"U8\"", "[0,4611686018427387904,4]", "[0,0]"), "has more than 2^62 elements");
  add(entry("\"U8\"", "[1099511627776]", "[0,1099511627776]"),
      "is truncated: its tensors take 1099511627776 bytes, 8 follow the header");
  add(entry("\"U8\"", "[7]", "[1,8]"), "tensor 't' begins at byte 1 and leaves a hole");
  add(entry("\"U8\"", "[0]", "[4,4]"), "tensor 't' begins at byte 4 and leaves a hole");
  add(entry("\"U8\"", "[0]", "[18446744073709551615,18446744073709551615]"), "leaves a hole");
  add(tensors_at({0, 0}), "tensor 'b' begins at byte 0 and overlaps tensor 'a', which ends at");
  add(tensors_at({0, 2}), "tensor 'b' begins at byte 2 and overlaps tensor 'a'");
  add(tensors_at({4, 2}), "tensor 'b' begins at byte 2 and leaves a hole");
  add(tensors_at({0, 8}), "tensor 'b' begins at byte 8 and leaves a hole");
  add(tensors_at({0, 4, 8}), "is truncated: its tensors take 12 bytes, 8 follow the header");
  add(tensors_at({4}), "tensor 'a' begins at byte 4 and leaves a hole");
  add(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}})",
      "tensor 'b' begins at byte 4 and overlaps tensor 'a'");
}

void add_bad_metadata(std::vector<BadFile>& files) {
  const auto add = [&](const string& header, const string& reason) {
    files.push_back({make_file(header, ""), reason});
  };
  add(R"({"__metadata__":true})", "__metadata__ must be an object of texts, found true");
  add(R"({"__metadata__":null,"__metadata__":null})", "two entries named '__metadata__'");
  add(R"({"__metadata__":[]})", "__metadata__ must be an object of texts, found a list");
  add(R"({"__metadata__":"a"})", "__metadata__ must be an object of texts, found the text 'a'");
  add(R"({"__metadata__":{"a":1}})", "__metadata__: the value of 'a' must be a text, found the nu");
  add(R"({"__metadata__":{"a":null}})",
      "__metadata__: the value of 'a' must be a text, found null");
  add(R"({"__metadata__":{"a":{}}})", "the value of 'a' must be a text, found an object");
  add(R"({"__metadata__":{"a":["b"]}})", "the value of 'a' must be a text, found a list");
  add(R"({"__metadata__":{"a":"b","a":"b"}})", "__metadata__: the key 'a' occurs twice");
  add(R"({"__metadata__":{},"__metadata__":{}})", "two entries named '__metadata__'");
  add(R"({"__metadata__":{"whisker.checksum":"crc32c:12345678"}})", "does not match its checksum");
  add(R"({"__metadata__":{"whisker.checksum":"sha256:0"}})", "does not match its checksum");
  add(R"({"\u005f_metadata__":{"a":false}})", "__metadata__: the value of 'a' must be a text");
  add(R"({"__metadata__":{"\n)" + string(1000, 'k') + R"(":1}})", "value of '\\x0akkkk");
}

}  // namespace

string make_file(const string& header, const string& data) {
  return little_endian(header.size()) + header + data;
}

std::vector<BadFile> bad_files() {
  std::vector<BadFile> files;
  add_bad_lengths(files);
  add_bad_json(files);
  add_bad_entries(files);
  add_bad_sizes(files);
  add_bad_metadata(files);
  return files;
}

}  // namespace safetensors_corpus
