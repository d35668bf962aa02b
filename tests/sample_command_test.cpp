// Where `catgan sample` puts pictures, and what it refuses to draw from.
#include <nlohmann/json.hpp>

#include <whisker/core/safetensors.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "testing.h"

using namespace catgan_fixtures;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

const char* const kCheckpoints = "checkpoints";
const char* const kNewest = "step-00000012.safetensors";

/// Saves the newest checkpoint under another name, changed.
template <class Change>
void save_changed(const fs::path& run, const fs::path& to, const Change& change) {
  auto file = whisker::load_safetensors(run / kCheckpoints / kNewest);
  change(file);
  whisker::save_safetensors(to, file);
}

auto files_in(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

}  // namespace

TEST_CASE("Pictures go to the run that they are of, a folder for each checkpoint and seed",
          "[sample][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  fs::create_directory(folder / "cats");  // pictures to train on, perhaps
  const auto draws_to = [&](Words words, const fs::path& where) {
    words.insert(words.end(), {"--count", "3", "--threads", "1"});
    words.insert(words.begin(), "sample");
    const Outcome outcome = run_catgan(words, folder.path());
    INFO(outcome.err);
    CHECK(outcome.code == 0);
    CHECK_THAT(outcome.out, ContainsSubstring(" in " + where.string()));
    CHECK(files_in(folder / where.string()) == 5);  // with grid.png and sampling.json
  };
  const std::string checkpoints = "run/checkpoints/";
  draws_to({"run"}, "run/pictures/step-00000012-seed0");
  draws_to({"run/", "--seed", "7"}, "run/pictures/step-00000012-seed7");
  draws_to({"run", "--bn-stats", "batch"}, "run/pictures/step-00000012-seed0-batch");
  draws_to({checkpoints + "step-00000010.safetensors"}, "run/pictures/step-00000010-seed0");
  draws_to({checkpoints, "--seed", "9"}, "run/pictures/step-00000012-seed9");
  fs::copy_file(folder / "run" / kCheckpoints / kNewest, folder / "mine.safetensors");
  draws_to({"mine.safetensors"}, "mine-pictures/step-00000012-seed0");
  CHECK(files_in(folder / "cats") == 0);
}

TEST_CASE("Samples of two seeds, checkpoints or runs never share a folder", "[sample][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  const auto sample = [&](Words words) {
    words.insert(words.begin(), "sample");
    words.insert(words.end(), {"--out", "out", "--threads", "1"});
    return run_catgan(words, folder.path());
  };
  REQUIRE(sample({"run", "--count", "2"}).code == 0);
  const std::string first = read_text(folder / "out" / "seed0-000000.png");
  save_changed(folder / "run", folder / "other.safetensors", [](auto& file) {
    whisker::testing::set_element(file.tensors.at("ema.out.bias"), 0, 0.5);
  });
  for (const Words& words :
       {Words{"run", "--seed", "1"}, Words{"run", "--bn-stats", "batch"},
        Words{"run/checkpoints/step-00000010.safetensors"}, Words{"other.safetensors"}}) {
    const Outcome outcome = sample(words);
    CHECK(outcome.code == 2);
    CHECK_THAT(outcome.err, ContainsSubstring("--out: out holds other files"));
    CHECK(files_in(folder / "out") == 4);
    CHECK(read_text(folder / "out" / "seed0-000000.png") == first);
  }
  // The same sampling goes on where it was killed.
  fs::remove(folder / "out" / "seed0-000001.png");
  write_text(folder / "out" / "seed0-000001.png.12-3.tmp", "half of it");
  CHECK(sample({"run", "--count", "4"}).code == 0);
  CHECK(files_in(folder / "out") == 6);
  CHECK(read_text(folder / "out" / "seed0-000000.png") == first);

  fs::create_directory(folder / "mine");
  write_text(folder / "mine" / "cat.jpg", "a picture");
  const Outcome outcome = run_catgan({"sample", "run", "--out", "mine"}, folder.path());
  CHECK(outcome.code == 2);
  CHECK(files_in(folder / "mine") == 1);

  // Somebody's own folder stays as it is, names that look like ours included.
  std::filesystem::create_directory(folder / "own");
  write_text(folder / "own" / "thesis.pdf.123-4.tmp", "work");
  CHECK(run_catgan({"sample", "run", "--out", "own"}, folder.path()).code == 2);
  CHECK(read_text(folder / "own" / "thesis.pdf.123-4.tmp") == "work");
}

TEST_CASE("A generator with NaN is not sampled, and its tensor is named", "[sample][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  const auto spoil = [&](const char* name) {
    save_changed(folder / "run", folder / "nan.safetensors", [&](auto& file) {
      whisker::testing::set_element(file.tensors.at(name), 0,
                                    std::numeric_limits<double>::quiet_NaN());
    });
    return run_catgan({"sample", "nan.safetensors", "--out", "out"}, folder.path());
  };
  const Outcome outcome = spoil("ema.up1.conv.weight");
  CHECK(outcome.code == 6);
  CHECK_THAT(outcome.err, ContainsSubstring("nan.safetensors: the first bad tensor is "
                                            "ema.up1.conv.weight"));
  CHECK_FALSE(fs::exists(folder / "out"));
  // The averages that samples are drawn from follow G.
  const Outcome of_g = spoil("g.up1.conv.weight");
  CHECK(of_g.code == 6);
  CHECK_THAT(of_g.err, ContainsSubstring("the first bad tensor is g.up1.conv.weight"));
  CHECK(spoil("d.dense.bias").code == 0);  // nothing is drawn with it
}

TEST_CASE("Sizes that a checkpoint claims are compared with the file's before they are believed",
          "[sample][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  const auto claim = [&](const char* name, const nlohmann::ordered_json& value) {
    save_changed(folder / "run", folder / "lie.safetensors", [&](auto& file) {
      auto config = nlohmann::ordered_json::parse(file.metadata.at("config"));
      config[name] = value;
      file.metadata["config"] = config.dump();
    });
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    const std::size_t memory = 0;  // sanitizers ask for more addresses than there are bytes
#else
    const std::size_t memory = std::size_t{1} << 30;
#endif
    return run_catgan({"sample", "lie.safetensors", "--threads", "1"}, folder.path(),
                      {.max_memory = memory});
  };
  const auto wide = nlohmann::ordered_json::array({16384, 16384, 16384});
  for (const auto& [name, value] :
       {std::pair<const char*, nlohmann::ordered_json>{"g_widths", wide},
        {"z_size", 65536},
        {"size", 1024}}) {
    const Outcome outcome = claim(name, value);
    INFO(name);
    CHECK(outcome.code == 3);
    CHECK_THAT(outcome.err,
               ContainsSubstring("lie.safetensors: ema: the saved tensors do not fit"));
    CHECK_THAT(outcome.err, ContainsSubstring("wants float32 ["));
  }
}

TEST_CASE("What a file says is printed escaped", "[sample][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  save_changed(folder / "run", folder / "a.safetensors", [](auto& file) {
    auto config = nlohmann::ordered_json::parse(file.metadata.at("config"));
    config["\x1b[31mred"] = 1;
    file.metadata["config"] = config.dump();
  });
  save_changed(folder / "run", folder / "b.safetensors",
               [](auto& file) { file.metadata["data"] = "\x1b[31m\xc2\x9b"; });
  save_changed(folder / "run", folder / "c.safetensors",
               [](auto& file) { file.tensors["ema.\x1b[31m"] = file.tensors.at("ema.out.bias"); });
  fs::copy_file(folder / "c.safetensors", folder / "\x1b[31m.safetensors");
  for (const char* name :
       {"a.safetensors", "b.safetensors", "c.safetensors", "\x1b[31m.safetensors", "\x1b[31m"}) {
    const Outcome outcome = run_catgan({"sample", name}, folder.path());
    CHECK(outcome.code != 0);
    CHECK(outcome.err.find('\x1b') == std::string::npos);
    CHECK(outcome.err.find("\xc2\x9b") == std::string::npos);
    CHECK_THAT(outcome.err, ContainsSubstring("1b[31m"));
  }
}
