// Interrupted training must end in the same bits as training that was left alone.
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include <whisker/core/random_sequence.h>
#include <whisker/core/safetensors.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "training/checkpoint.h"
#include "training/training_data.h"

using namespace catgan_fixtures;
using whisker::str;
namespace fs = std::filesystem;

namespace {

/// `catgan train` with the tiny nets, to the folder "run" unless another is named.
std::vector<std::string> train(std::vector<std::string> more, const std::string& out = "run") {
  more.insert(more.begin(), {"--out", out});
  return train_tiny(more);
}

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Everything that two finished runs must have in common.
void check_same_end(const fs::path& a, const fs::path& b) {
  const auto one = catgan::load_newest_checkpoint(a / "checkpoints").checkpoint;
  const auto two = catgan::load_newest_checkpoint(b / "checkpoints").checkpoint;
  CHECK(one.step == two.step);
  CHECK(difference(one.tensors, two.tensors) == "");
  const std::string last =
      str("step-", std::string(6 - std::to_string(one.step).size(), '0'), one.step, ".png");
  CHECK(read_text(a / "samples" / last) == read_text(b / "samples" / last));
}

/// The lines of stats.jsonl without what depends on the clock.
std::vector<nlohmann::json> statistics(const fs::path& run) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(read_text(run / "stats.jsonl"));
  for (std::string line; std::getline(text, line);) {
    auto json = nlohmann::json::parse(line);
    for (const char* name : {"img_per_s", "seconds", "peak_rss_mb"}) {
      CHECK(json.contains(name));
      json.erase(name);
    }
    lines.push_back(json);
  }
  return lines;
}

}  // namespace

TEST_CASE("A batch depends on the step alone, not on the batches before", "[resume]") {
  const catgan::Config config = tiny_config();
  const auto data = catgan::load_training_data(config);
  catgan::BatchSource in_order(config, data.pictures);
  for (std::int64_t step = 0; step < 7; ++step) {
    catgan::BatchSource fresh(config, data.pictures);
    CHECK(difference({{"", in_order.batch(step)}}, {{"", fresh.batch(step)}}) == "");
    CHECK(difference({{"", fresh.batch(step)}}, {{"", fresh.batch(step + 1)}}) != "");
  }
}

TEST_CASE("Every step has noise of its own, of the distribution asked for", "[resume]") {
  catgan::Config config = tiny_config();
  config.batch = 2000;
  const auto moments = [&] {
    const std::vector<float> z = catgan::training_z(config, 3).to_vector<float>();
    double sum = 0.0, squares = 0.0;
    for (const float v : z) {
      sum += double{v};
      squares += double{v} * double{v};
    }
    const auto n = static_cast<double>(z.size());
    CHECK(n == 16000.0);
    CHECK(std::abs(sum / n) < 0.04);  // 4 standard errors of the wider distribution, and some
    return squares / n;
  };
  CHECK(moments() == Approx(1.0 / 3.0).epsilon(0.04));
  config.z_distribution = catgan::ZDistribution::normal;
  CHECK(moments() == Approx(1.0).epsilon(0.06));
  const auto z = catgan::training_z(config, 0);
  CHECK(difference({{"", z}}, {{"", catgan::training_z(config, 0)}}) == "");
  CHECK(difference({{"", z}}, {{"", catgan::training_z(config, 1)}}) != "");
}

TEST_CASE("Pictures are scaled to the data range, and mirrored only where asked for", "[resume]") {
  catgan::Config config = tiny_config();
  const auto data = catgan::load_training_data(config);
  const auto at = [&](std::size_t k, int y, int x, int c) {
    return data.pictures.picture(k)[(y * config.size + x) * 3 + c];
  };
  /// Whether picture i of the batch is picture k of the data.
  const auto same = [&](const whisker::Tensor& on_device, std::int64_t i, std::size_t k,
                        bool mirrored) {
    const whisker::Tensor batch = on_device.to(whisker::Device::cpu());
    const double low = config.data_range == catgan::DataRange::half ? -0.5 : -1.0;
    const float* value = batch.data<float>() + i * batch.numel() / config.batch;
    for (int y = 0; y < config.size; ++y)
      for (int x = 0; x < config.size; ++x)
        for (int c = 0; c < 3; ++c) {
          const double byte = at(k, y, mirrored ? config.size - 1 - x : x, c);
          if (std::abs(low - 2.0 * low * byte / 255.0 - double{*value++}) > 1e-6) return false;
        }
    return true;
  };
  for (const auto range : {catgan::DataRange::half, catgan::DataRange::full}) {
    for (const bool flip : {false, true}) {
      config.data_range = range;
      config.flip = flip;
      catgan::BatchSource source(config, data.pictures);
      int upright = 0, mirrored = 0;
      for (std::int64_t step = 0; step < 8; ++step) {
        const whisker::Tensor batch = source.batch(step);
        const auto order =
            data.pictures.epoch_order(config.seed, static_cast<std::uint32_t>(step / 2));
        for (std::int64_t i = 0; i < config.batch; ++i) {
          const std::size_t k = order[static_cast<std::size_t>(step % 2 * config.batch + i)];
          upright += same(batch, i, k, false) ? 1 : 0;
          mirrored += same(batch, i, k, true) ? 1 : 0;
        }
      }
      CHECK(upright + mirrored == 32);
      CHECK((flip ? mirrored > 8 && mirrored < 24 : mirrored == 0));
    }
  }
}

TEST_CASE("A run folder holds what its README names", "[resume][program]") {
  const Folder folder;
  const Outcome outcome = run_catgan(train({}), folder.path());
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const fs::path run = folder / "run";
  CHECK(files_in(run) == std::vector<std::string>{"README.txt", "census.txt", "checkpoints",
                                                  "config.json", "log.txt", "samples",
                                                  "stats.jsonl"});
  CHECK(files_in(run / "samples") == std::vector<std::string>{"reals.png", "step-000004.png",
                                                              "step-000008.png",
                                                              "step-000012.png"});
  CHECK(files_in(run / "checkpoints") == std::vector<std::string>{"step-00000008.safetensors",
                                                                  "step-00000010.safetensors",
                                                                  "step-00000012.safetensors"});
  CHECK(catgan::config_from_json(read_text(run / "config.json"), "x") == tiny_config());
  CHECK(read_text(run / "log.txt") == outcome.out);
  const auto lines = statistics(run);
  REQUIRE(lines.size() == 3);
  CHECK(lines[2]["step"] == 12);
  CHECK(lines[2]["epoch"] == 6.0);
  const std::string readme = read_text(run / "README.txt");
  for (const std::string& name : files_in(run))
    CHECK((name == "README.txt" || readme.find(name) != std::string::npos));
}

TEST_CASE("Training killed and resumed ends in the same bits as training left alone",
          "[resume][program]") {
  const Folder folder;
  REQUIRE(run_catgan(train({}, "whole"), folder.path()).code == 0);
  {
    Process killed(train({}, "cut"), folder.path());
    REQUIRE(killed.wait_for("saved cut/checkpoints/step-00000006"));
    killed.send(SIGKILL);
    killed.wait();
  }
  // What a killed run may leave behind.
  write_text(folder / "cut" / "checkpoints" / "notes.txt", "a file of somebody else stays");
  const Outcome resumed = run_catgan({"resume", "cut"}, folder.path());
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  check_same_end(folder / "whole", folder / "cut");
  CHECK(statistics(folder / "whole") == statistics(folder / "cut"));
  CHECK(fs::exists(folder / "cut" / "checkpoints" / "notes.txt"));

  for (const char* run : {"whole", "cut"})
    REQUIRE(run_catgan({"sample", run, "--count", "3", "--seed", "5", "--out", str(run, "-cats")},
                       folder.path())
                .code == 0);
  for (const char* name : {"seed5-000000.png", "seed5-000002.png", "grid.png"})
    CHECK(read_text(folder / "whole-cats" / name) == read_text(folder / "cut-cats" / name));
}

TEST_CASE("Killed at random moments, the newest checkpoint is always whole", "[resume][program]") {
#ifdef WHISKER_SANITIZED  // sanitized programs take ten times as long to start
  constexpr int kKills = 40;
#else
  constexpr int kKills = 200;
#endif
  const Folder folder;
  const std::vector<std::string> every{"--steps",           "1200", "--checkpoint-interval", "1",
                                       "--sample-interval", "0"};
  REQUIRE(
      run_catgan(train({"--steps", "1200", "--checkpoint-interval", "0"}, "whole"), folder.path())
          .code == 0);
  whisker::RandomSequence random({.seed = 2024});
  std::int64_t before = 0;
  for (int i = 0; i < kKills; ++i) {
    Process process(i == 0 ? train(every, "cut") : std::vector<std::string>{"resume", "cut"},
                    folder.path());
    // Saving is most of what this run does, so a random amount of work later means during a save.
    const std::int64_t stop = before + 1 + random.below(3);
    REQUIRE(process.wait_for(catgan::checkpoint_path("", stop).filename().string()));
    volatile std::uint32_t work = random.below(2000000);
    while (work > 0)
      work = work - 1;
    process.send(SIGKILL);
    process.wait();
    const auto found = catgan::load_newest_checkpoint(folder / "cut" / "checkpoints");
    CHECK(found.damaged.empty());
    CHECK(found.checkpoint.step >= stop);
    before = found.checkpoint.step;
  }
  const Outcome resumed = run_catgan({"resume", "cut"}, folder.path());
  INFO(resumed.err);
  REQUIRE(resumed.code == 0);
  check_same_end(folder / "whole", folder / "cut");
  for (const std::string& name : files_in(folder / "cut" / "checkpoints"))
    CHECK_THAT(name, file_fixtures::StartsWith("step-"));
}

TEST_CASE("A signal finishes the step, saves and ends with its code", "[resume][program]") {
  for (const auto& [signal, code] :
       {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}, std::pair{SIGHUP, 129}}) {
    const Folder folder;
    Process process(train({"--steps", "1000000", "--checkpoint-interval", "0"}), folder.path());
    REQUIRE(process.wait_for("step 5/"));
    process.send(signal);
    const Outcome outcome = process.wait();
    CHECK(outcome.code == code);
    CHECK_THAT(outcome.out, ContainsSubstring("go on with: catgan resume run"));
    const auto found = catgan::load_newest_checkpoint(folder / "run" / "checkpoints");
    CHECK(found.checkpoint.step >= 5);
    const std::string further = std::to_string(found.checkpoint.step + 2);
    CHECK(run_catgan({"resume", "run", "--steps", further}, folder.path()).code == 0);
  }
}

TEST_CASE("A reader that goes away does not end training", "[resume][program]") {
  const Folder folder;
  Process process(train({"--steps", "40", "--log-interval", "1"}), folder.path());
  REQUIRE(process.wait_for("step 1/"));
  process.close_output();
  CHECK(process.wait().code == 0);
  CHECK_THAT(read_text(folder / "run" / "log.txt"), ContainsSubstring("done: 40 steps"));
}

TEST_CASE("A run without any checkpoint begins again from its settings", "[resume][program]") {
  const Folder folder;
  REQUIRE(run_catgan(train({}, "whole"), folder.path()).code == 0);
  REQUIRE(run_catgan(train({}, "cut"), folder.path()).code == 0);
  fs::remove_all(folder / "cut" / "checkpoints");
  const Outcome outcome = run_catgan({"resume", "cut"}, folder.path());
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, ContainsSubstring("no checkpoint yet: training begins at step 0"));
  check_same_end(folder / "whole", folder / "cut");
  CHECK(statistics(folder / "whole") == statistics(folder / "cut"));
}

TEST_CASE("A finished run says so, and goes on when given more steps", "[resume][program]") {
  const Folder folder;
  REQUIRE(run_catgan(train({"--steps", "20"}, "whole"), folder.path()).code == 0);
  REQUIRE(run_catgan(train({}), folder.path()).code == 0);
  const Outcome finished = run_catgan({"resume", "run"}, folder.path());
  CHECK(finished.code == 0);
  CHECK_THAT(finished.out, ContainsSubstring("the run is finished: step 12 of 12"));
  REQUIRE(run_catgan({"resume", "run", "--steps", "20"}, folder.path()).code == 0);
  check_same_end(folder / "whole", folder / "run");
}

TEST_CASE("Settings that contradict the run are refused with a list", "[resume][program]") {
  const Folder folder;
  REQUIRE(run_catgan(train({}), folder.path()).code == 0);
  const Outcome outcome = run_catgan(
      {"resume", "run", "--steps", "20", "--g-rate", "0.5", "--batch", "5", "--keep", "9"},
      folder.path());
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, ContainsSubstring("--g-rate: the run has 0.0002, asked for is 0.5"));
  CHECK_THAT(outcome.err, ContainsSubstring("--batch: the run has 4, asked for is 5"));
  CHECK(outcome.err.find("--keep") == std::string::npos);

  std::string config = read_text(folder / "run" / "config.json");
  config.replace(config.find("\"seed\": 0"), 9, "\"seed\": 3");
  write_text(folder / "run" / "config.json", config);
  const Outcome edited = run_catgan({"resume", "run", "--steps", "20"}, folder.path());
  CHECK(edited.code == 2);
  CHECK_THAT(edited.err, ContainsSubstring("--seed: the run has 0, asked for is 3"));
}

TEST_CASE("A damaged newest checkpoint is set aside and training goes on from the one before",
          "[resume][program]") {
  const Folder folder;
  REQUIRE(run_catgan(train({}, "whole"), folder.path()).code == 0);
  REQUIRE(run_catgan(train({}, "cut"), folder.path()).code == 0);
  const fs::path newest = folder / "cut" / "checkpoints" / "step-00000012.safetensors";
  write_text(newest, read_text(newest).substr(0, 5000));
  const Outcome outcome = run_catgan({"resume", "cut"}, folder.path());
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, ContainsSubstring("at step 10 of 12"));
  CHECK_THAT(outcome.out, ContainsSubstring("renamed to .bad"));
  CHECK(fs::exists(newest.string() + ".bad"));
  check_same_end(folder / "whole", folder / "cut");
}

TEST_CASE("Pictures that changed are noticed", "[resume][program]") {
  const Folder folder;
  const auto draw = [&](const char* count) {
    return run_catgan({"draw", "--size", "16", "--count", count, "--out", "pictures"},
                      folder.path())
        .code;
  };
  REQUIRE(draw("8") == 0);
  REQUIRE(run_catgan(train({"--data", "pictures"}), folder.path()).code == 0);
  REQUIRE(draw("12") == 0);
  const Outcome refused = run_catgan({"resume", "run", "--steps", "20"}, folder.path());
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, ContainsSubstring("--accept-changed-data"));
  CHECK(
      run_catgan({"resume", "run", "--steps", "20", "--accept-changed-data"}, folder.path()).code ==
      0);
}

TEST_CASE("Only one process trains in a folder", "[resume][program]") {
  const Folder folder;
  Process first(train({"--steps", "1000000"}), folder.path());
  REQUIRE(first.wait_for("step 5/"));
  const Outcome second = run_catgan({"resume", "run"}, folder.path());
  CHECK(second.code == 2);
  CHECK_THAT(second.err, ContainsSubstring("another catgan is training in this folder"));
  first.send(SIGTERM);
  CHECK(first.wait().code == 143);
}
