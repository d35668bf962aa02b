// What a run could not write, or was killed before: it must cost neither the weights nor the truth.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdlib.h>

#include <whisker/core/safetensors.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "testing.h"
#include "training/checkpoint.h"

using namespace catgan_fixtures;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

Words train(Words more, const std::string& out = "run") {
  more.insert(more.begin(), {"--out", out});
  return train_tiny(more);
}

void check_same_weights(const fs::path& a, const fs::path& b) {
  const auto one = catgan::load_newest_checkpoint(a / "checkpoints").checkpoint;
  const auto two = catgan::load_newest_checkpoint(b / "checkpoints").checkpoint;
  CHECK(one.step == two.step);
  CHECK(difference(one.tensors, two.tensors) == "");
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("A grid, a log or statistics that cannot be written do not cost the weights",
          "[unwritable][program]") {
  const Folder folder;
  copy_trained_run(folder / "whole");
  REQUIRE(run_catgan({"resume", "whole", "--steps", "20"}, folder.path()).code == 0);
  for (const char* lost :
       {"samples/step-000016.png", "samples/step-000020.png", "log.txt", "stats.jsonl"}) {
    INFO(lost);
    const fs::path run = folder / "run";
    fs::remove_all(run);
    copy_trained_run(run);
    fs::remove(run / lost);
    fs::create_directory(run / lost);  // which no file can replace
    const Outcome outcome = run_catgan({"resume", "run", "--steps", "20"}, folder.path());
    CHECK(outcome.code == 4);
    CHECK(count_of(outcome.out, "warning: ") == 1);
    CHECK_THAT(outcome.err,
               ContainsSubstring("the weights are saved, but the run folder is not complete"));
    CHECK_THAT(outcome.err, ContainsSubstring(fs::path(lost).filename().string()));
    check_same_weights(folder / "whole", run);

    fs::remove(run / lost);
    CHECK(run_catgan({"resume", "run"}, folder.path()).code == 0);
    if (std::string(lost) == "samples/step-000020.png")
      CHECK(read_text(run / lost) == read_text(folder / "whole" / lost));
  }
}

TEST_CASE("An old checkpoint that cannot be removed does not cost the weights",
          "[unwritable][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  const fs::path old = folder / "run" / "checkpoints" / "step-00000008.safetensors";
  fs::remove(old);
  fs::create_directory(old);
  write_text(old / "file", "");
  const Outcome outcome = run_catgan({"resume", "run", "--steps", "16"}, folder.path());
  CHECK(outcome.code == 4);
  CHECK_THAT(outcome.err, ContainsSubstring("step-00000008.safetensors"));
  CHECK(catgan::load_newest_checkpoint(folder / "run" / "checkpoints").checkpoint.step == 16);
}

TEST_CASE("A hangup that comes twice saves as well, and one that is ignored stays so",
          "[unwritable][program]") {
  const Folder folder;
  {
    Process process(train({"--steps", "1000000", "--checkpoint-interval", "0"}), folder.path());
    REQUIRE(process.wait_for("step 5/"));
    // The kernel's and the shell's, when a terminal is closed.
    for (int i = 0; i < 3; ++i)
      process.send(SIGHUP);
    const Outcome outcome = process.wait();
    CHECK(outcome.code == 129);
    CHECK_THAT(outcome.out, ContainsSubstring("go on with: catgan resume run"));
    CHECK(catgan::load_newest_checkpoint(folder / "run" / "checkpoints").checkpoint.step >= 5);
  }
  Process process(train({"--steps", "1000000"}, "nohup"), folder.path(),
                  {.ignored_signal = SIGHUP});
  REQUIRE(process.wait_for("step 5/"));
  process.send(SIGHUP);
  REQUIRE(process.wait_for("step 500/"));
  process.send(SIGTERM);
  CHECK(process.wait().code == 143);
}

TEST_CASE("A checkpoint with settings of a newer catgan is refused, not set aside",
          "[unwritable][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  const fs::path newest = folder / "run" / "checkpoints" / "step-00000012.safetensors";
  auto file = whisker::load_safetensors(newest);
  auto config = nlohmann::ordered_json::parse(file.metadata.at("config"));
  config["format"] = config["format"].get<int>() + 1;
  config["a_setting_of_the_future"] = 1;
  file.metadata["config"] = config.dump();
  whisker::save_safetensors(newest, file);
  const std::string before = read_text(newest);
  for (const Words& words : {Words{"resume", "run", "--steps", "20"}, Words{"sample", "run"}}) {
    const Outcome outcome = run_catgan(words, folder.path());
    CHECK(outcome.code == 3);
    CHECK_THAT(outcome.err, ContainsSubstring("step-00000012.safetensors: config: format"));
    CHECK_THAT(outcome.err, ContainsSubstring("a newer catgan wrote it"));
    CHECK(read_text(newest) == before);
    CHECK_FALSE(fs::exists(newest.string() + ".bad"));
  }
}

TEST_CASE("Resuming completes what a run was killed before", "[unwritable][program]") {
  const Folder folder;
  const fs::path run = folder / "run";
  copy_trained_run(run);
  copy_trained_run(folder / "whole");
  const std::string log = read_text(run / "log.txt");

  fs::remove(run / "samples" / "step-000012.png");
  write_text(run / "log.txt", log.substr(0, log.find("done: 12 steps")));
  write_text(run / "samples" / "step-000012.png.123-4.tmp", "half of it");
  write_text(run / "checkpoints" / "step-00000012.safetensors.123-4.tmp", "half of it");
  Outcome outcome = run_catgan({"resume", "run"}, folder.path());
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, ContainsSubstring("done: 12 steps"));
  CHECK_THAT(read_text(run / "log.txt"), ContainsSubstring("done: 12 steps"));
  CHECK(read_text(run / "samples" / "step-000012.png") ==
        read_text(folder / "whole" / "samples" / "step-000012.png"));
  check_same_weights(folder / "whole", run);
  for (const auto& entry : fs::recursive_directory_iterator(run))
    CHECK(entry.path().extension() != ".tmp");

  for (const char* file : {"README.txt", "census.txt", "samples/reals.png", "config.json"}) {
    INFO(file);
    fs::remove(run / file);
    CHECK(run_catgan({"resume", "run"}, folder.path()).code == 0);
    CHECK(read_text(run / file) == read_text(folder / "whole" / file));
  }
  outcome = run_catgan({"resume", "run"}, folder.path());
  CHECK_THAT(outcome.out, ContainsSubstring("the run is finished: step 12 of 12"));
}

TEST_CASE("Resuming draws the grid of the step that it begins at", "[unwritable][program]") {
  const Folder folder;
  const fs::path run = folder / "run";
  REQUIRE(run_catgan(train({"--keep", "9"}), folder.path()).code == 0);
  const std::string grid = read_text(run / "samples" / "step-000008.png");
  for (const char* file : {"samples/step-000008.png", "checkpoints/step-00000010.safetensors",
                           "checkpoints/step-00000012.safetensors"})
    fs::remove(run / file);
  CHECK(run_catgan({"resume", "run"}, folder.path()).code == 0);
  CHECK(read_text(run / "samples" / "step-000008.png") == grid);
}

TEST_CASE("A resumed run does not write on in half a line", "[unwritable][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  for (const char* name : {"log.txt", "stats.jsonl"})
    std::ofstream(folder / "run" / name, std::ios::app) << "{\"step\": 12, half of a li";
  const Outcome outcome = run_catgan({"resume", "run", "--steps", "14"}, folder.path());
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, ContainsSubstring("stats.jsonl had 1 line that was not whole"));
  CHECK(read_text(folder / "run" / "log.txt").find("half of a li") == std::string::npos);
  CHECK(read_text(folder / "run" / "stats.jsonl").find("half of a li") == std::string::npos);
  CHECK_THAT(read_text(folder / "run" / "log.txt"), ContainsSubstring("\nresuming run at step 12"));
}

TEST_CASE("A checkpoint with NaN is not gone on from", "[unwritable][program]") {
  const Folder folder;
  copy_trained_run(folder / "run");
  const fs::path newest = folder / "run" / "checkpoints" / "step-00000012.safetensors";
  auto file = whisker::load_safetensors(newest);
  whisker::Tensor weight = file.tensors.at("d_adam.m.dense.weight");
  whisker::testing::set_element(weight, 0, std::numeric_limits<double>::quiet_NaN());
  whisker::save_safetensors(newest, file);
  const Outcome outcome = run_catgan({"resume", "run", "--steps", "20"}, folder.path());
  CHECK(outcome.code == 6);
  CHECK_THAT(outcome.err, ContainsSubstring("step-00000012.safetensors: "));
  CHECK_THAT(outcome.err, ContainsSubstring("the first bad tensor is d_adam.m.dense.weight"));
  fs::remove(newest);  // as the message advises
  CHECK(run_catgan({"resume", "run", "--steps", "20"}, folder.path()).code == 0);
}

TEST_CASE("The progress bar fits the terminal, also after it is resized", "[unwritable][program]") {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  REQUIRE(terminal >= 0);
  REQUIRE((::grantpt(terminal) == 0 && ::unlockpt(terminal) == 0));
  const auto resize = [&](unsigned short columns) {
    const winsize size{24, columns, 0, 0};
    REQUIRE(::ioctl(terminal, TIOCSWINSZ, &size) == 0);
  };
  resize(80);
  const Folder folder;
  const std::string slave = ::ptsname(terminal);
  const int open_end = ::open(slave.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  Process process(
      train({"--steps", "1000000", "--sample-interval", "0", "--checkpoint-interval", "0"}),
      folder.path(), {.output = slave.c_str()});
  const std::string start = "\r\033[K";
  /// The next bars, of which the first may be of the old width.
  const auto bars = [&] {
    std::string text;
    while (count_of(text, start + "") < 5) {
      char buffer[256];
      const ssize_t count = ::read(terminal, buffer, sizeof buffer);
      REQUIRE(count > 0);
      text.append(buffer, static_cast<std::size_t>(count));
    }
    std::vector<std::string> found;
    for (auto at = text.find(start); at != text.npos;) {
      const auto next = text.find(start, at + 1);
      if (next == text.npos) break;
      const std::string bar = text.substr(at + start.size(), next - at - start.size());
      if (bar.find("img/s") != bar.npos || bar.find("/1000000") != bar.npos) found.push_back(bar);
      at = next;
    }
    return found;
  };
  for (const unsigned short columns : {80, 60, 24, 132}) {
    resize(columns);
    bars();
    const auto shown = bars();
    REQUIRE(shown.size() > 1);
    for (const std::string& bar : shown) {
      INFO(columns << ": " << bar);
      CHECK(bar.size() < columns);
      CHECK(bar.find('\n') == bar.npos);
    }
  }
  process.send(SIGKILL);
  process.wait();
  ::close(open_end);
  ::close(terminal);
}
