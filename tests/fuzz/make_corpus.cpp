// make_corpus FOLDER: writes the small inputs that fuzzing begins with, one folder for each target.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <whisker/core/safetensors.h>

#include "config.h"
#include "picture_fixtures.h"
#include "pictures/dataset_cache.h"
#include "training/checkpoint.h"
#include "training/run_statistics.h"

namespace {

namespace fs = std::filesystem;
using picture_fixtures::Bytes;
using picture_fixtures::bytes_of;
using picture_fixtures::operator+;

class Corpus {
 public:
  explicit Corpus(fs::path folder) : folder_(std::move(folder)) {}

  void add(const std::string& target, const std::string& name, const Bytes& bytes) const {
    picture_fixtures::write_file(folder_ / target / name, bytes);
  }
  void add(const std::string& target, const std::string& name, std::string_view text) const {
    picture_fixtures::write_file(folder_ / target / name, text);
  }
  fs::path file(const std::string& target, const std::string& name) const {
    fs::create_directories(folder_ / target);
    return folder_ / target / name;
  }

 private:
  fs::path folder_;
};

std::string repeat(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i)
    all += text;
  return all;
}

void add_pictures(const Corpus& corpus) {
  using namespace picture_fixtures;
  const Bytes exif = exif_payload(6, true);
  const Bytes tiff(exif.begin() + 6, exif.end());  // behind "Exif\0\0"
  corpus.add("png", "rgb", to_png(gradient(9, 5)));
  corpus.add("png", "grey16_exif",
             make_png(2, 2, 16, 0, {{0, 1, 2, 3}, {4, 5, 6, 7}}, png_chunk("eXIf", tiff)));
  corpus.add("png", "palette",
             make_png(3, 2, 4, 3, {{0x01, 0x20}, {0x21, 0x00}},
                      png_chunk("PLTE", Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9})));
  corpus.add("png", "grey_alpha", make_png(2, 1, 8, 4, {{10, 128, 20, 255}}));
  corpus.add("png", "rgba", make_png(1, 2, 8, 6, {{1, 2, 3, 4}, {5, 6, 7, 8}}));

  const Bytes jpeg = to_jpeg(gradient(17, 9), 50);
  corpus.add("jpeg", "baseline", jpeg);
  corpus.add("jpeg", "progressive", progressive_jpeg());
  corpus.add("jpeg", "restarts", restart_jpeg());
  corpus.add("jpeg", "exif", with_segment(jpeg, 0xE1, exif));
  corpus.add("jpeg", "adobe",
             with_segment(jpeg, 0xEE, Bytes{'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 1}));

  corpus.add("exif", "little_endian", tiff);
  const Bytes big = exif_payload(8, false);
  corpus.add("exif", "big_endian", Bytes(big.begin() + 6, big.end()));
  const std::string_view xmp = "<rdf:Description tiff:Orientation=\"6\"/>";
  corpus.add("exif", "xmp_attribute", xmp);
  corpus.add("exif", "xmp_element", "<tiff:Orientation>8</tiff:Orientation>");

  const auto chunk = [](char type, const Bytes& data) {
    return Bytes{static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(data.size()),
                 static_cast<std::uint8_t>(data.size() >> 8)} +
           data;
  };
  const std::string_view packed_xmp("iXML:com.adobe.xmp\0\0\0\0\0", 22);
  corpus.add("png_notes", "exif_and_own",
             chunk(0, tiff) + chunk(1, bytes_of(std::string_view("Software\0catgan grid", 20))));
  corpus.add("png_notes", "xmp", chunk(3, bytes_of(packed_xmp.substr(1)) + bytes_of(xmp)));
  corpus.add("png_notes", "raw_profile",
             chunk(1, bytes_of(std::string_view(
                          "Raw profile type exif\0\nexif\n  8\n4d4d002a00000008\n", 50))));

  // Blocks as stored, of the fixed and of a dynamic code (RFC 1951), without their checksum.
  corpus.add("inflate", "stored", Bytes{0x78, 0x01, 0x01, 2, 0, 0xFD, 0xFF, 'a', 'b'});
  corpus.add("inflate", "dynamic", Bytes{0x78, 0xDA, 0x1D, 0xC7, 0x41, 0x0D, 0x00, 0x00, 0x0C,
                                         0x83, 0x40, 0xAD, 0x80, 0x7F, 0x0F, 0x5B, 0xFA, 0x21,
                                         0x07, 0x21, 0x6A, 0x32, 0x44, 0xCB, 0x0F, 0x14, 0x07});
  corpus.add("inflate", "fixed", Bytes{0x78, 0x9C, 0x4B, 0x4C, 0x84, 0x01, 0x00});
}

void add_settings(const Corpus& corpus) {
  using namespace catgan;
  for (const std::string& preset : preset_names())
    corpus.add("config", preset, to_json(make_preset(preset)));
  Config foreign = make_preset("demo");
  foreign.preset = "../demo";
  corpus.add("config", "foreign_preset", to_json(foreign));
  corpus.add("setting", "preset_not_utf8", std::string("\0\xC9", 2));
  corpus.add("setting", "device_not_utf8", std::string("\xC1\0\xB7", 3));
  corpus.add("config", "nested", repeat("[", 2000));
  corpus.add("config", "escapes", R"({"format":2,"\u001b[31m\u0007":1})");

  const std::vector<Setting> settings = settings_of(make_preset("demo"));
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const std::string& name = settings[i].name;
    if (name != "g_widths" && name != "slope" && name != "loss" && name != "seed" && name != "data")
      continue;
    corpus.add("setting", name, static_cast<char>(i) + settings[i].value);
  }
}

void add_runs(const Corpus& corpus) {
  using namespace catgan;
  RunStatistics statistics;
  statistics.add({0.5, 1.5, 0.75, 0.25});
  statistics.seconds = 12.5;
  corpus.add("statistics", "one_step", statistics.to_json());
  corpus.add("statistics", "nested", repeat("{\"a\":", 1000));
  corpus.add("stats_lines", "three_lines",
             std::string("\x02\x00", 2) +
                 "{\"step\":1,\"d_loss\":0.5}\n{\"step\":2}\n{\"step\":3}\n{\"step\":");
  corpus.add("stats_lines", "nested", std::string("\x02\x00", 2) + repeat("[", 1000) + "\n");
  corpus.add("fingerprint", "pictures", DataFingerprint{0x0123456789abcdef, 8000}.to_string());
  corpus.add("device", "second_gpu", "cuda:1");
  corpus.add("device", "cpu", "cpu");
  std::string config = to_json(make_preset("demo"));
  std::erase(config, '\n');
  corpus.add("checkpoint", "demo",
             "catgan.format=1\nstep=12\ndata=8000:0123456789abcdef\nstatistics=" +
                 statistics.to_json() + "\nconfig=" + config + "\n");
  corpus.add("checkpoint", "future", "catgan.format=9\nstep=1\n");
}

void add_tensors(const Corpus& corpus) {
  using namespace whisker;
  const SafetensorsFile file{.tensors = {{"a", Tensor::from<float>({1, 2, 3}, {3})},
                                         {"b", Tensor::from<double>({4}, {})},
                                         {"empty", Tensor::from<float>({}, {0, 2})}},
                             .metadata = {{"format", "pt"}, {"key", "\xc3\xa9"}}};
  const fs::path whole = corpus.file("safetensors", "whole");
  save_safetensors(whole, file);
  const Bytes bytes = picture_fixtures::read_file(whole);
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  const std::size_t data_size = bytes.size() - 8 - header_size;
  corpus.add(
      "safetensors_header", "whole",
      Bytes{static_cast<std::uint8_t>(data_size), 0} + std::span(bytes).subspan(8, header_size));
  for (const auto& [name, header] :
       {std::pair<const char*, std::string>{
            "many_dtypes", R"({"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                           R"("h":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},)"
                           R"("t":{"dtype":"BOOL","shape":[4],"data_offsets":[12,16]}})"},
        {"odd", R"({"__metadata__":null,"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2],)"
                R"("note":{"a":[1]}}})"},
        {"lie", R"({"x":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}})"}}) {
    Bytes lie(8);
    const std::uint64_t size = header.size();
    std::memcpy(lie.data(), &size, sizeof size);
    const std::size_t data = name == std::string("odd") ? 2 : 16;
    corpus.add("safetensors", name, lie + bytes_of(header) + Bytes(data, 1));
    corpus.add("safetensors_header", name,
               Bytes{static_cast<std::uint8_t>(data), 0} + bytes_of(header));
  }
}

void add_caches(const Corpus& corpus) {
  using namespace catgan;
  DecodedPictures pictures;
  for (std::uint8_t i = 0; i < 24; ++i)
    pictures.pixels.push_back(i);
  store_cache(corpus.file("dataset_cache", "two_pictures"), 0x6B6579, "pictures", 2, pictures);
  pictures.duplicates = 1;
  pictures.skipped = {{"a.jpg", Fault::truncated, "the JPEG is cut off"}, {"b", Fault::link, "?"}};
  store_cache(corpus.file("dataset_cache", "skipped_files"), 0x6B6579, "pictures", 2, pictures);

  corpus.add("tuning", "all_kinds", R"({"format": "whisker-tuning-1", "devices": {"gpu": {
 "conv2d": [
  {"pass": "forward", "dtype": "bfloat16", "batch": 64, "in_h": 32, "in_w": 32, "in_channels": 128,
   "out_channels": 256, "kernel": [5, 5], "stride": [2, 2], "padding": [1, 2, 1, 2],
   "backend": "own", "algorithm": "mma", "tile": "128x128", "splits": 1, "microseconds": 71.3},
  {"pass": "backward_data", "dtype": "tf32", "batch": 1, "in_h": 4, "in_w": 4, "in_channels": 1,
   "out_channels": 1, "kernel": [1, 1], "stride": [1, 1], "padding": [0, 0, 0, 0],
   "backend": "cudnn", "engine": "eng0", "microseconds": 1}],
 "matmul": [
  {"dtype": "tf32", "m": 64, "n": 65536, "k": 100, "transpose_a": false, "transpose_b": true,
   "backend": "cublas", "microseconds": 12.5}],
 "batch_norm": [
  {"pass": "forward", "dtype": "float32", "rows": 262144, "channels": 128, "leaky_relu": true,
   "backend": "own", "microseconds": 93.8}]}}}
)");
  corpus.add("tuning", "no_devices", R"({"format": "whisker-tuning-1", "devices": {}})");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_corpus FOLDER\n");
    return 2;
  }
  const Corpus corpus(argv[1]);
  add_pictures(corpus);
  add_settings(corpus);
  add_runs(corpus);
  add_tensors(corpus);
  add_caches(corpus);
  return 0;
}
