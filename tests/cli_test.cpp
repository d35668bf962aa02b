// What the catgan program answers to good and bad commands: exit code and message.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <whisker/core/device.h>
#include <whisker/core/safetensors.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "testing.h"
#include "training/checkpoint.h"

using namespace catgan_fixtures;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

struct Case {
  Words arguments;
  int code;
  std::string message;  // part of standard error
};

void check_cases(const std::vector<Case>& cases, const fs::path& folder) {
  for (const Case& c : cases) {
    std::string line;
    for (const std::string& word : c.arguments)
      line += word + " ";
    INFO(line);
    const Outcome outcome = run_catgan(c.arguments, folder);
    CHECK(outcome.code == c.code);
    CHECK_THAT(outcome.err, ContainsSubstring(c.message));
  }
}

/// A folder with a trained run in it; trained once for all tests of this file.
const std::string& trained_run() {
  static const Folder folder;
  static const std::string path = [] {
    copy_trained_run(folder / "run");
    return (folder / "run").string();
  }();
  return path;
}

}  // namespace

TEST_CASE("Wrong use exits with 2 and says what is right", "[cli][program]") {
  const Folder folder;
  write_text(folder / "file", "x");
  check_cases(
      {
          {{}, 2, "Start here:"},
          {{"trian"}, 2, "not expected: trian; `catgan help` lists"},
          {{"help", "trian"}, 2, "there is no command trian"},
          {{"train", "--stepz", "3"}, 2, "not expected: --stepz 3; `catgan help train` lists"},
          {{"train", "--steps"}, 2, "--steps: its value is missing"},
          {{"train", "surplus"}, 2, "surplus"},
          {train_tiny({"--steps", "many"}), 2,
           "--steps: wants an integer from 0 to 4e+09, got many"},
          {train_tiny({"--steps", "-1"}), 2, "--steps: wants an integer"},
          {train_tiny({"--steps", "0"}), 2, "give --steps or --epochs"},
          {train_tiny({"--steps", "0", "--epochs", "4000000000"}), 2, "choose fewer --epochs"},
          {train_tiny({"--data", "\xff"}), 2, "is not UTF-8"},
          {train_tiny({"--batch", "11"}), 2, "choose a smaller --batch"},
          {train_tiny({"--batch", "0"}), 2, "--batch: wants an integer from 1"},
          {train_tiny({"--size", "18"}), 2, "size: 18 is not a multiple of 4"},
          {train_tiny({"--size", "4"}), 2, "--size: wants an integer from 8 to 1024"},
          {train_tiny({"--g-widths", "8;4"}), 2, "--g-widths: wants an integer"},
          {train_tiny({"--g-widths", "8"}), 2, "G wants two or more"},
          {train_tiny({"--d-strides", "2"}), 2, "give one stride for each width"},
          {train_tiny({"--d-strides", "3,3"}), 2, "--d-strides: wants an integer from 1 to 2"},
          {train_tiny({"--loss", "wgan"}), 2, "one of cross-entropy, least-squares, hinge"},
          {train_tiny({"--g-rate", "inf"}), 2, "--g-rate: wants a number from 0 to 1, got inf"},
          {train_tiny({"--seed", "18446744073709551616"}), 2,
           "--seed: wants an integer, 0 or more"},
          {train_tiny({"--ema-decay", "1"}), 2, "--ema-decay"},
          {train_tiny({"--precision", "f16"}), 2, "--precision: wants one of f32, tf32, bf16"},
          {train_tiny({"--precision", "tf32", "--device", "cpu"}), 2, "only GPUs multiply in TF32"},
          {train_tiny({"--device", "tpu"}), 2, "is none of auto, cpu, cuda"},
          {train_tiny({"--threads", "-2"}), 2, "--threads"},
          {{"train", "--preset", "huge"}, 2, "choose demo, article or recommended"},
          {{"train", "--preset", ""}, 2, "choose demo, article or recommended"},
          {{"train", "--preset", "demo", "--config", "file"}, 2, "--config"},
          {train_tiny({"--out", "file"}), 2, "file is a file; name a new folder"},
          {{"resume"}, 2, "RUN is required"},
          {{"sample", "x", "--count", "0"}, 2, "--count"},
          {{"sample", "x", "--seed", "-1"}, 2, "--seed: wants an integer, 0 or more, got -1"},
          {{"draw", "--out", "x", "--seed", "18446744073709551616"}, 2, "--seed: wants an integer"},
          {{"sample", "x", "--bn-stats", "some"}, 2, "--bn-stats"},
          {{"draw", "--size", "4", "--out", "x"}, 2, "--size"},
          {{"draw"}, 2, "--out is required"},
          {{"config", "--preset", "demo", "--z-size", "x"}, 2, "--z-size"},
          {{"config", "--steps", "3", "--steps", "3"}, 2, "--steps is given more than once"},
          {{"config", "--seed=1", "--batch", "8", "--seed=2"}, 2, "--seed is given more than once"},
          {{"config", "--preset", "demo", "--preset", "article"}, 2, "--preset is given more"},
          {{"config", "--flip", "--flip"}, 2, "--flip is given more than once"},
          {{"config", "--flip", "--no-flip"}, 2, "--no-flip"},
          {{"config", "--no-flip", "--flip"}, 2, "--flip"},
          {{"train", "--out", "a", "--out", "b"}, 2, "--out is given more than once"},
          {{"resume", "x", "--steps", "3", "--steps", "4"}, 2, "--steps is given more than once"},
          {{"sample", "x", "--count", "3", "--count", "4"}, 2, "--count is given more than once"},
          {{"draw", "--out", "x", "--seed", "1", "--seed", "2"}, 2, "--seed is given more"},
          {{"config", "--size", "1024", "--grid", "37", "--g-widths", "1,1"}, 2, "--grid 13"},
      },
      folder.path());
  CHECK_FALSE(fs::exists(folder / "run"));
}

TEST_CASE("Bad input exits with 3 and names the file", "[cli][program]") {
  const Folder folder;
  fs::create_directory(folder / "empty");
  fs::create_directory(folder / "junk");
  write_text(folder / "junk" / "a.png", "no picture");
  write_text(folder / "bad.json", "{\"format\": 1, \"size\": ");
  const std::string deep = std::string(150000, '[') + std::string(150000, ']');
  write_text(folder / "deep.json", "{\"format\": 1, \"size\": " + deep + "}");
  write_text(folder / "twice.json", "{\"format\": 1, \"format\": 2}");
  write_text(folder / "few.json", "{\"format\": 1}");
  write_text(folder / "junk.safetensors", "no checkpoint");
  write_text(folder / "nothing.safetensors", "");
  whisker::save_safetensors(folder / "foreign.safetensors",
                            {.tensors = {{"x", whisker::Tensor::zeros({2})}}});
  const std::string run = trained_run();
  const auto checkpoint = run + "/checkpoints/step-00000012.safetensors";
  auto future = whisker::load_safetensors(checkpoint);
  future.metadata["catgan.format"] = "99";
  whisker::save_safetensors(folder / "future.safetensors", future);
  auto nested = whisker::load_safetensors(checkpoint);
  nested.metadata["config"] = "{\"format\": 2, \"size\": " + deep + "}";
  whisker::save_safetensors(folder / "deep.safetensors", nested);
  auto less = whisker::load_safetensors(checkpoint);
  less.tensors.erase("ema.up1.conv.weight");
  whisker::save_safetensors(folder / "less.safetensors", less);
  write_text(folder / "cut.safetensors", read_text(checkpoint).substr(0, 9000));

  check_cases(
      {
          {train_tiny({"--data", "empty"}), 3, "no usable picture"},
          {train_tiny({"--data", "junk"}), 3, "a.png"},
          {train_tiny({"--data", "junk/a.png"}), 3, "a.png"},
          {{"train", "--config", "bad.json"}, 3, "bad.json: is not JSON"},
          {{"train", "--config", "few.json"}, 3, "few.json: preset is missing"},
          {{"config", "--config", "twice.json"}, 3, "twice.json: has \"format\" twice"},
          {{"config", "--config", "deep.json"}, 3, "deep.json: is not JSON that catgan takes"},
          {{"sample", "deep.safetensors"}, 3, "deep.safetensors: config: is not JSON that"},
          {{"train", "--config", "empty"}, 3, "empty"},
          {{"resume", "missing"}, 3, "missing: there is no such folder"},
          {{"resume", "empty"}, 3, "is no run folder"},
          {{"sample", "empty"}, 3, "no checkpoint that can be read"},
          {{"sample", "junk.safetensors"}, 3, "junk.safetensors"},
          {{"sample", "nothing.safetensors"}, 3, "nothing.safetensors"},
          {{"sample", "cut.safetensors"}, 3, "cut.safetensors"},
          {{"sample", "foreign.safetensors"}, 3, "no checkpoint of catgan"},
          {{"sample", "future.safetensors"}, 3, "a newer catgan wrote it"},
          {{"sample", "less.safetensors"}, 3, "missing: up1.conv.weight"},
      },
      folder.path());
  CHECK_FALSE(fs::exists(folder / "run"));
  CHECK_FALSE(fs::exists(folder / "cats"));
}

TEST_CASE("What the system refuses exits with 4 and its reason", "[cli][program]") {
  const Folder folder;
  write_text(folder / "file", "x");
  check_cases(
      {
          {train_tiny({"--data", "missing"}), 4, "No such file"},
          {train_tiny({"--out", "file/run"}), 4, "file/run"},
          {{"train", "--config", "missing.json"}, 4, "No such file"},
          {{"sample", "missing.safetensors"}, 4, "No such file"},
          {{"sample", trained_run(), "--out", "file"}, 4, "file: the folder cannot be made"},
          {{"draw", "--count", "1", "--out", "file/x"}, 4, "the folder cannot be made"},
      },
      folder.path());
}

TEST_CASE("Failing writes during training exit with 4 and keep the checkpoints", "[cli][program]") {
  const Folder folder;
  REQUIRE(run_catgan(train_tiny({}), folder.path()).code == 0);
  // A file may not grow beyond this, which is what a full disk does to a checkpoint.
  const Outcome outcome =
      run_catgan({"resume", "run", "--steps", "30"}, folder.path(), {.max_file_bytes = 20000});
  CHECK(outcome.code == 4);
  CHECK_THAT(outcome.err, ContainsSubstring("step-00000014.safetensors"));
  CHECK_THAT(outcome.err, ContainsSubstring("File too large"));
  const auto found = catgan::load_newest_checkpoint(folder / "run" / "checkpoints");
  CHECK(found.checkpoint.step == 12);
  CHECK(found.damaged.empty());
  REQUIRE(run_catgan({"resume", "run", "--steps", "3"}, folder.path()).code == 0);
}

TEST_CASE("A folder that may not be written to exits with 4", "[cli][program]") {
  if (::geteuid() == 0) SKIP("root may write everywhere");
  const Folder folder;
  fs::create_directory(folder / "locked");
  fs::permissions(folder / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  check_cases({{train_tiny({"--out", "locked/run"}), 4, "Permission denied"},
               {{"draw", "--count", "1", "--out", "locked"}, 4, "Permission denied"}},
              folder.path());
  fs::create_directories(folder / "hidden" / "run" / "checkpoints");
  fs::permissions(folder / "hidden", fs::perms::none);
  check_cases({{{"resume", "hidden/run"}, 4, "hidden/run: cannot be examined: Permission denied"},
               {{"sample", "hidden/run"}, 4, "hidden/run: cannot open: Permission denied"}},
              folder.path());
  fs::permissions(folder / "hidden", fs::perms::owner_all);
}

TEST_CASE("Settings that cannot be written exit with 4", "[cli][program]") {
  const Folder folder;
  for (const Words& words : {Words{"config"}, Words{"config", "--summary"}, Words{"help"}}) {
    const Outcome outcome = run_catgan(words, folder.path(), {.output = "/dev/full"});
    CHECK(outcome.code == 4);
    CHECK_THAT(outcome.err, ContainsSubstring("No space left on device"));
  }
}

TEST_CASE("Closed standard streams are not taken for files of the run", "[cli][program]") {
  const Folder folder;
  REQUIRE(run_catgan(train_tiny({}), folder.path(), {.closed_streams = true}).code == 0);
  const std::string log = read_text(folder / "run" / "log.txt"), line = "run folder: run";
  CHECK(log.find(line) == log.rfind(line));
  CHECK(log.starts_with(line));
}

TEST_CASE("More memory than there is exits with 5", "[cli][program]") {
  const Folder folder;
  check_cases({{train_tiny({"--g-widths", "16384,16384,16384", "--size", "1024"}), 5,
                "choose narrower --g-widths"},
               {train_tiny({"--batch", "65536", "--size", "1024"}), 5, " would fit"},
               {train_tiny({"--size", "1024", "--drawn-cats", "10000000"}), 5, "draw fewer"}},
              folder.path());
}

// Sanitizers ask for more addresses than there are bytes.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("However little memory there is, the program ends with 5 and never crashes",
          "[cli][program]") {
  // Kernels are written at run time; oneDNN does not look whether it got memory for them.
  const Folder folder;
  int refusals = 0;
  for (std::size_t mebibytes = 32; mebibytes <= 192; mebibytes += 8) {
    INFO(mebibytes << " MiB");
    const Outcome outcome = run_catgan({"sample", trained_run(), "--count", "1"}, folder.path(),
                                       {.max_memory = mebibytes << 20});
    constexpr int kCannotLoadLibraries = 127;
    CHECK((outcome.code == 0 || outcome.code == 5 || outcome.code == kCannotLoadLibraries));
    if (outcome.code == 5) ++refusals;
  }
  CHECK(refusals > 0);
}
#endif

TEST_CASE("A number that is none exits with 6 and keeps the last good checkpoint",
          "[cli][program]") {
  const Folder folder;
  REQUIRE(run_catgan(train_tiny({}), folder.path()).code == 0);
  const fs::path file = folder / "run" / "checkpoints" / "step-00000012.safetensors";
  auto checkpoint = whisker::load_safetensors(file);
  // As a learning rate that is far too high would have left it.
  whisker::Tensor weight = checkpoint.tensors.at("g.up1.conv.weight");
  whisker::testing::set_element(weight, 0, 3e38);
  whisker::testing::set_element(weight, 1, -3e38);
  whisker::save_safetensors(file, checkpoint);
  const std::string before = read_text(file);
  const Outcome outcome = run_catgan({"resume", "run", "--steps", "30"}, folder.path());
  CHECK(outcome.code == 6);
  CHECK_THAT(outcome.err, ContainsSubstring("the first bad tensor is the output of g.up1"));
  CHECK_THAT(outcome.out, ContainsSubstring("the last good checkpoint is run/checkpoints"));
  CHECK_THAT(outcome.out, ContainsSubstring("--g-rate"));
  CHECK(read_text(file) == before);
}

TEST_CASE("A command that is printed can be pasted", "[cli][program]") {
  const Folder folder;
  const Words words = train_tiny({"--out", "my run"});
  const Outcome trained = run_catgan(words, folder.path());
  CHECK_THAT(trained.out, ContainsSubstring("catgan sample 'my run'\n"));
  const Outcome occupied = run_catgan(words, folder.path());
  CHECK(occupied.code == 2);
  CHECK_THAT(occupied.err, ContainsSubstring("catgan resume 'my run'\n"));
  CHECK_THAT(run_catgan({"resume", "my run"}, folder.path()).out,
             ContainsSubstring("catgan resume 'my run' --steps 24\n"));
}

TEST_CASE("A folder that is not empty is not trained into", "[cli][program]") {
  const Folder folder;
  fs::create_directory(folder / "run");
  write_text(folder / "run" / "diary.txt", "dear diary");
  check_cases(
      {{train_tiny({}), 2, "run is not empty; name a new folder, or go on with the run in it"}},
      folder.path());
  CHECK(read_text(folder / "run" / "diary.txt") == "dear diary");
}

TEST_CASE("Run folders are numbered and named after preset and data", "[cli][program]") {
  const Folder folder;
  REQUIRE(run_catgan({"draw", "--count", "6", "--size", "16", "--out", "my cats"}, folder.path())
              .code == 0);
  Words words = train_tiny({"--steps", "1"});
  const auto out = std::find(words.begin(), words.end(), "--out");
  words.erase(out, out + 2);
  REQUIRE(run_catgan(words, folder.path()).code == 0);
  words.insert(words.end(), {"--data", "my cats/"});
  REQUIRE(run_catgan(words, folder.path()).code == 0);
  CHECK(fs::is_directory(folder / "runs" / "00000-demo-drawn"));
  CHECK(fs::is_directory(folder / "runs" / "00001-demo-my_cats"));
}

TEST_CASE("Samples are the same for the same seed, whatever their number", "[cli][program]") {
  const Folder folder;
  const auto draw = [&](const char* count, const char* seed, const char* out,
                        const std::string& from) {
    const Outcome outcome =
        run_catgan({"sample", from, "--count", count, "--seed", seed, "--out", out}, folder.path());
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
  };
  draw("2", "1", "two", trained_run());
  draw("20", "1", "twenty", trained_run());
  draw("2", "2", "other", trained_run());
  draw("2", "1", "file", trained_run() + "/checkpoints/step-00000012.safetensors");
  const std::string picture = read_text(folder / "two" / "seed1-000001.png");
  CHECK(picture == read_text(folder / "twenty" / "seed1-000001.png"));
  CHECK(picture == read_text(folder / "file" / "seed1-000001.png"));
  CHECK(picture != read_text(folder / "other" / "seed2-000001.png"));
  CHECK(picture != read_text(folder / "two" / "seed1-000000.png"));
  CHECK(fs::exists(folder / "twenty" / "seed1-000019.png"));
  CHECK_FALSE(fs::exists(folder / "twenty" / "seed1-000020.png"));
  CHECK(fs::exists(folder / "twenty" / "grid.png"));
}

TEST_CASE("Training goes on on the device that it is told, and resumes there", "[cli][program]") {
  if (whisker::cuda_device_count() == 0) {
    const Folder folder;
    check_cases({{train_tiny({"--device", "cuda"}), 2, "--device: "},
                 {train_tiny({"--device", "cuda:7"}), 2, "--device: "}},
                folder.path());
    return;
  }
  const Folder folder;
  const Outcome trained =
      run_catgan(train_tiny({"--device", "cuda:0", "--steps", "2"}), folder.path());
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  CHECK_THAT(trained.out, ContainsSubstring("cuda:0"));
  const Outcome resumed = run_catgan({"resume", "run", "--steps", "3"}, folder.path());
  INFO(resumed.err);
  CHECK(resumed.code == 0);
  CHECK_THAT(resumed.out, ContainsSubstring("cuda:0"));
  const Outcome elsewhere =
      run_catgan(train_tiny({"--device", "cuda:7", "--out", "other"}), folder.path());
  CHECK(elsewhere.code == 2);
  CHECK_THAT(elsewhere.err, ContainsSubstring("cuda:7"));
}

TEST_CASE("Printed settings train again as they are", "[cli][program]") {
  const Folder folder;
  Words words{"config"};
  for (const std::string& flag : tiny_flags())
    words.push_back(flag);
  const Outcome printed = run_catgan(words, folder.path());
  REQUIRE(printed.code == 0);
  CHECK(catgan::config_from_json(printed.out, "x") == tiny_config());
  write_text(folder / "mine.json", printed.out);
  CHECK(
      run_catgan({"train", "--config", "mine.json", "--out", "run", "--steps", "1"}, folder.path())
          .code == 0);
}

TEST_CASE("Asking for epochs sets the preset's number of steps aside", "[cli][program]") {
  const Folder folder;
  const Outcome printed = run_catgan({"config", "--epochs", "3"}, folder.path());
  const auto config = catgan::config_from_json(printed.out, "x");
  CHECK(config.epochs == 3);
  CHECK(config.steps == 0);
}

TEST_CASE("Help teaches and exits with 0", "[cli][program]") {
  const Folder folder;
  const Outcome help = run_catgan({"help"}, folder.path());
  CHECK(help.code == 0);
  CHECK(run_catgan({"--help"}, folder.path()).out == help.out);
  CHECK_THAT(help.out, ContainsSubstring("Exit codes: 0 done, 2 usage, 3 bad input"));
  for (const char* command : {"train", "resume", "sample", "config", "draw", "cache"}) {
    CHECK_THAT(help.out, ContainsSubstring(command));
    const Outcome text = run_catgan({command, "--help"}, folder.path());
    CHECK(text.code == 0);
    CHECK(run_catgan({"help", command}, folder.path()).out == text.out);
    CHECK_THAT(text.out, ContainsSubstring("Examples:\n  catgan"));
  }
  for (const char* variable :
       {"WHISKER_GRAPH=", "WHISKER_CONV=", "WHISKER_NORM=", "WHISKER_MATMUL=", "WHISKER_TUNING="})
    CHECK_THAT(run_catgan({"help", "train"}, folder.path()).out, ContainsSubstring(variable));
}

TEST_CASE("The cache of decoded pictures is named, listed and cleared", "[cli][program]") {
  const Folder folder;
  const auto catgan = [&](const Words& words) { return run_catgan(words, folder.path()); };
  CHECK_THAT(catgan({"cache"}).out, ContainsSubstring("0 caches"));
  CHECK(catgan({"draw", "--count", "8", "--size", "16", "--out", "pictures"}).code == 0);
  const Outcome first = catgan(train_tiny({"--data", "pictures"}));
  CHECK(first.code == 0);
  CHECK_THAT(first.out, ContainsSubstring("8 usable pictures, 1 entry skipped"));
  CHECK_THAT(first.out, ContainsSubstring("cached in ") && ContainsSubstring("catgan cache"));
  const Outcome list = catgan({"cache"});
  CHECK_THAT(list.out, ContainsSubstring("1 cache, ") && ContainsSubstring("8 pictures of 16x16") &&
                           ContainsSubstring((folder / "pictures").filename().string()));
  CHECK_THAT(catgan({"cache", "--clear", "--older-than", "1"}).out, ContainsSubstring("0 caches"));
  CHECK_THAT(catgan({"cache", "--clear"}).out, ContainsSubstring("removed 1 cache"));
  CHECK_THAT(catgan({"cache"}).out, ContainsSubstring("0 caches"));
  check_cases({{{"cache", "--older-than", "1"}, 2, "--clear"},
               {{"cache", "--clear", "--older-than", "x"}, 2, "--older-than"}},
              folder.path());
  fs::remove_all(folder / ".cache");
  write_text(folder / ".cache", "x");
  check_cases({{{"cache"}, 4, "cannot be listed"}}, folder.path());
}
