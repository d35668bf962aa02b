#include "config.h"

#include <nlohmann/json.hpp>

#include "catch.h"
#include "catgan_fixtures.h"

using namespace catgan;
using catgan_fixtures::ContainsSubstring;
using file_fixtures::message_of;
using Json = nlohmann::ordered_json;
using whisker::InputError;

namespace {

/// The message for the demo's settings after a change to their JSON.
template <class Change>
std::string complaint_after(const Change& change) {
  Json json = Json::parse(to_json(make_preset("demo")));
  change(json);
  return message_of<InputError>([&] { config_from_json(json.dump(), "my.json"); });
}

std::string complaint_about(const std::string& name, const Json& value) {
  return complaint_after([&](Json& json) { json[name] = value; });
}

}  // namespace

TEST_CASE("Every preset is valid and survives JSON unchanged", "[config]") {
  for (const std::string& name : preset_names()) {
    INFO(name);
    const Config config = make_preset(name);
    validate(config);
    CHECK(config.preset == name);
    CHECK(config_from_json(to_json(config), "x") == config);
  }
}

TEST_CASE("The article's settings are those of its notebook", "[config]") {
  const Config c = make_preset("article");
  CHECK(c.size == 128);
  CHECK(c.batch == 64);
  CHECK(c.steps == 0);
  CHECK(c.epochs == 215);
  CHECK(c.z_size == 100);
  CHECK(c.z_distribution == ZDistribution::uniform);
  CHECK(c.g_widths == std::vector<int>{1024, 512, 256, 128, 64});
  CHECK(c.d_widths == std::vector<int>{64, 128, 256, 512, 1024});
  CHECK(c.d_strides == std::vector<int>{2, 2, 2, 1, 2});
  CHECK(c.data_range == DataRange::half);
  CHECK(c.fit == Fit::stretch);
  CHECK_FALSE(c.flip);
  CHECK(c.label_smoothing == 0.0);
  CHECK(c.loss == Loss::cross_entropy);
  CHECK(c.norm_epsilon == 1.001e-5);
  CHECK(c.norm_momentum == 0.99);
  CHECK(c.norm_updates == 2);
  CHECK(c.slope == 0.2);
  CHECK(c.g_rate == 2e-4);
  CHECK(c.d_rate == 5e-5);
  CHECK(c.beta1 == 0.5);
  CHECK(c.beta2 == 0.999);
  CHECK(c.adam_epsilon == 1e-8);
  CHECK(c.adam_placement == AdamPlacement::tensorflow);
  CHECK(c.ema_decay == 0.0);
  CHECK(c.precision == Precision::f32);
}

TEST_CASE("Every setting survives JSON and text with a value that is not the preset's",
          "[config]") {
  const Config demo = make_preset("demo");
  Config changed = demo;
  changed.seed = 18446744073709551615u;
  for (const Setting& setting : settings_of(demo)) {
    for (const char* other : {"true", "stretch", "half", "normal", "selu", "hinge", "pytorch",
                              "bf16", "16,8", "0.125", "3", "7", "named"}) {
      try {
        Config trial = demo;
        set_setting(trial, setting.name, other);
        if (trial == demo) continue;
        set_setting(changed, setting.name, other);
        break;
      } catch (const UsageError&) {
        continue;
      }
    }
  }
  // The numbers of g_widths, d_widths and d_strides have to fit together.
  changed.d_strides = {2, 1};
  changed.size = 32;
  changed.preset = "article";  // any text will do until the settings are checked
  changed.device = "cuda:7";
  const std::vector<Difference> list = differences(demo, changed);
  CHECK(list.size() == settings_of(demo).size());
  CHECK(config_from_json(to_json(changed), "x") == changed);

  Config from_text = demo;
  for (const Difference& difference : list)
    set_setting(from_text, difference.is.name, difference.is.value);
  CHECK(from_text == changed);
}

TEST_CASE("Bad JSON is refused with the name of the setting and what it wants", "[config]") {
  CHECK_THAT(complaint_about("stepz", 3), ContainsSubstring("my.json: there is no setting stepz"));
  CHECK_THAT(complaint_after([](Json& json) { json.erase("batch"); }),
             ContainsSubstring("my.json: batch is missing"));
  CHECK_THAT(complaint_about("batch", "32"),
             ContainsSubstring("batch: wants an integer from 1 to 65536, got \"32\""));
  CHECK_THAT(complaint_about("batch", 32.5), ContainsSubstring("batch: wants an integer"));
  CHECK_THAT(complaint_about("batch", 0), ContainsSubstring("batch: wants an integer from 1"));
  CHECK_THAT(complaint_about("batch", 1e30), ContainsSubstring("batch: wants an integer"));
  CHECK_THAT(complaint_about("seed", -1), ContainsSubstring("seed: wants an integer, 0 or more"));
  CHECK_THAT(complaint_about("g_rate", "fast"), ContainsSubstring("g_rate: wants a number"));
  CHECK_THAT(complaint_about("g_rate", nullptr), ContainsSubstring("g_rate: wants a number"));
  CHECK_THAT(complaint_about("flip", 1), ContainsSubstring("flip: wants true or false, got 1"));
  for (const char* preset : {"", "../demo", "demo\x1b[31m"})
    CHECK_THAT(complaint_about("preset", preset),
               ContainsSubstring("preset: wants demo, article or recommended, got"));
  for (const char* device : {"", "gpu", "cuda:", "cuda:x"})
    CHECK_THAT(complaint_about("device", device), ContainsSubstring("is none of auto, cpu, cuda"));
  CHECK_THAT(complaint_about("data", Json::array()), ContainsSubstring("data: wants a string"));
  CHECK_THAT(complaint_about("loss", "bce"),
             ContainsSubstring("loss: wants one of cross-entropy, least-squares, hinge"));
  CHECK_THAT(complaint_about("g_widths", {8, "x"}), ContainsSubstring("g_widths: wants a list"));
  CHECK_THAT(complaint_about("g_widths", {8, 0}), ContainsSubstring("g_widths: wants a list"));
  CHECK_THAT(complaint_about("g_widths", Json::array()), ContainsSubstring("g_widths: 0 widths"));
  CHECK_THAT(complaint_about("size", 100), ContainsSubstring("size: 100 is not a multiple of 16"));
  CHECK_THAT(complaint_about("d_strides", {2}), ContainsSubstring("1 strides for 5 d_widths"));
  CHECK_THAT(complaint_about("format", 3), ContainsSubstring("format 3"));
  CHECK_THAT(complaint_after([](Json& json) { json.erase("format"); }),
             ContainsSubstring("format is missing"));
  CHECK_THAT(message_of<InputError>([] { config_from_json("{\"size\": ", "my.json"); }),
             ContainsSubstring("my.json: is not JSON"));
  CHECK_THAT(message_of<InputError>([] { config_from_json("[1]", "my.json"); }),
             ContainsSubstring("wants a JSON object"));
}

TEST_CASE("Settings of a newer catgan are refused as such", "[config]") {
  const auto complaint = [](const Json& format) {
    Json json = Json::parse(to_json(make_preset("demo")));
    json["format"] = format;
    json["a setting of the future"] = true;
    return message_of<FutureFormat>([&] { config_from_json(json.dump(), "my.json"); });
  };
  const auto present = Json::parse(to_json(make_preset("demo")))["format"].get<int>();
  CHECK_THAT(complaint(present + 1), ContainsSubstring("a newer catgan wrote it, so use that one"));
  CHECK_THAT(complaint_about("format", 0), ContainsSubstring("there is no format 0"));
}

TEST_CASE("A setting that is given twice is refused", "[config]") {
  std::string text = to_json(make_preset("demo"));
  text.insert(text.find("\"batch\":"), "\"batch\": 7, ");
  CHECK_THAT(message_of<InputError>([&] { config_from_json(text, "my.json"); }),
             ContainsSubstring("my.json: has \"batch\" twice"));
}

TEST_CASE("The name of a setting is escaped in the message about it", "[config]") {
  CHECK_THAT(complaint_about("\x1b[31m\nred", 3),
             ContainsSubstring("there is no setting \\u001b[31m\\nred;"));
  CHECK_THAT(complaint_about("loss", "\x1b[31m"), ContainsSubstring("got \"\\u001b[31m\""));
}

TEST_CASE("A sample grid is no larger than one PNG file can be made of", "[config]") {
  Config config = make_preset("demo");
  const auto complaint = [&](int size, int grid) {
    config.size = size;
    config.grid = grid;
    return message_of<UsageError>([&] { validate(config); });
  };
  CHECK_THAT(complaint(1024, 37), ContainsSubstring("choose at most --grid 13"));
  CHECK_THAT(complaint(1024, 14), ContainsSubstring("choose at most --grid 13"));
  CHECK(complaint(1024, 13).empty());
  CHECK_THAT(complaint(256, 64), ContainsSubstring("choose at most --grid 52"));
  CHECK(complaint(128, 64).empty());
}

TEST_CASE("Settings from before there were devices are those of a run on the CPU", "[config]") {
  Json json = Json::parse(catgan::to_json(catgan::make_preset("demo")));
  json["format"] = 1;
  json.erase("device");
  CHECK(catgan::config_from_json(json.dump(), "old").device == "cpu");
  json["format"] = 2;
  CHECK_THROWS_AS(catgan::config_from_json(json.dump(), "new"), whisker::InputError);
}

TEST_CASE("Deeply nested JSON is refused without exhausting the stack", "[config]") {
  const std::string nested(1000000, '[');
  CHECK_THAT(message_of<InputError>([&] { config_from_json(nested, "deep.json"); }),
             ContainsSubstring("deep.json: is not JSON"));
}

TEST_CASE("Bad text for a setting is refused with the flag and what it wants", "[config]") {
  Config config = make_preset("demo");
  const auto complaint = [&](const char* name, const char* text) {
    return message_of<UsageError>([&] { set_setting(config, name, text); });
  };
  CHECK_THAT(complaint("g_widths", "8,,4"), ContainsSubstring("--g-widths: wants an integer"));
  CHECK_THAT(complaint("g_widths", ""), ContainsSubstring("with commas between them, got "));
  CHECK_THAT(complaint("batch", "-3"), ContainsSubstring("--batch: wants an integer from 1"));
  CHECK_THAT(complaint("batch", "3x"), ContainsSubstring("got 3x"));
  CHECK_THAT(complaint("batch", "99999999999999999999"), ContainsSubstring("--batch: wants"));
  CHECK_THAT(complaint("g_rate", "nan"), ContainsSubstring("--g-rate: wants a number from 0 to 1"));
  CHECK_THAT(complaint("seed", "-1"), ContainsSubstring("--seed: wants an integer, 0 or more"));
  CHECK_THAT(complaint("fit", "crop"), ContainsSubstring("--fit: wants one of cover, stretch"));
  CHECK(config == make_preset("demo"));
}

TEST_CASE("Steps count before epochs, and the last partial batch is dropped", "[config]") {
  Config config = make_preset("article");
  config.batch = 10;
  CHECK(config.steps_per_epoch(109) == 10);
  CHECK(config.total_steps(109) == 2150);
  config.steps = 7;
  CHECK(config.total_steps(109) == 7);
  config.steps = config.epochs = 0;
  CHECK_THAT(message_of<UsageError>([&] { validate(config); }),
             ContainsSubstring("give --steps or --epochs"));
}

TEST_CASE("An unknown preset is refused with the list of presets", "[config]") {
  CHECK_THAT(message_of<UsageError>([] { make_preset("big"); }),
             ContainsSubstring("demo, article or recommended"));
}
