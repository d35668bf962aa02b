// Training with any number of threads, in whatever environment, gives the same bits and ends.
#include <sched.h>

#include <whisker/core/autograd.h>
#include <whisker/core/device.h>

#include "catch.h"
#include "catgan_fixtures.h"
#include "testing.h"
#include "trainer_fixtures.h"
#include "training/checkpoint.h"

using namespace catgan_fixtures;
using catgan::Config;
using whisker::Tensor;
using whisker::testing::ThreadScope;

namespace {

/// The presets' nets at sizes that step in a moment.
Config small_demo() {
  Config config = catgan::make_preset("demo");
  config.batch = 6;
  return config;
}
Config small_article() {
  Config config = catgan::make_preset("article");
  config.size = 64;
  config.g_widths = {64, 48, 32, 16};
  config.d_widths = {16, 32, 48, 64, 64};
  config.batch = 4;
  return config;
}

Tensors state_after(const Config& config, int steps, int threads) {
  const ThreadScope scope(threads);
  catgan::Trainer trainer(config);
  trainer_fixtures::train(trainer, config, steps);
  return clone(trainer.state());
}

std::vector<std::string> short_training(const std::string& threads) {
  return {
      "train",     "--drawn-cats", "64",    "--batch",       "8", "--size", "32", "--steps", "2",
      "--threads", threads,        "--out", "run-" + threads};
}

}  // namespace

TEST_CASE("thirty training steps give the same bits with 1, 2, 3 and 4 threads",
          "[trainer][determinism]") {
  const whisker::DeviceScope cpu(whisker::Device::cpu());
  for (const Config& config : {small_demo(), small_article()}) {
    INFO(config.preset);
    const Tensors one = state_after(config, 30, 1);
    for (const int threads : {2, 3, 4}) {
      INFO(threads << " threads");
      CHECK(difference(state_after(config, 30, threads), one) == "");
    }
  }
}

TEST_CASE("a run ends with the same bits whatever the environment says of OpenMP",
          "[program][threads]") {
  const Folder folder;
  const auto weights_after = [&](const ProcessOptions& options) {
    const std::string name = options.environment.empty() ? "" : options.environment[0].second;
    INFO(name);
    std::filesystem::remove_all(folder / "run-2");
    CHECK(run_catgan(short_training("2"), folder.path(), options).code == 0);
    return catgan::load_checkpoint(folder / "run-2/checkpoints/step-00000002.safetensors").tensors;
  };
  const Tensors expected = weights_after({});
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"OMP_THREAD_LIMIT", "1"},
                                                        {"OMP_DYNAMIC", "true"},
                                                        {"OMP_WAIT_POLICY", "active"},
                                                        {"OMP_PROC_BIND", "true"},
                                                        {"OMP_NUM_THREADS", "7"},
                                                        {"OMP_MAX_ACTIVE_LEVELS", "0"},
                                                        {"OMP_NUM_THREADS", "nonsense"}})
    CHECK(difference(weights_after({.environment = {{name, value}}}), expected) == "");
}

TEST_CASE("a run uses the cores of its affinity, and says when its threads are more",
          "[program][threads]") {
  cpu_set_t all;
  REQUIRE(::sched_getaffinity(0, sizeof all, &all) == 0);
  int first = 0;
  while (!CPU_ISSET(first, &all))
    ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  const Folder folder;
  const ProcessOptions many{.environment = {{"OMP_NUM_THREADS", "64"}}};
  const Outcome chosen = run_catgan(short_training("0"), folder.path(), many);
  const Outcome asked = run_catgan(short_training("3"), folder.path());
  const Outcome resumed = run_catgan({"resume", "run-3", "--steps", "3"}, folder.path());
  REQUIRE(::sched_setaffinity(0, sizeof all, &all) == 0);

  CHECK(chosen.code == 0);
  CHECK_THAT(chosen.out, ContainsSubstring("parameters, 1 thread, on"));
  for (const Outcome& outcome : {asked, resumed}) {
    CHECK(outcome.code == 0);
    CHECK_THAT(outcome.out, ContainsSubstring("note: 3 threads share 1 core here; --threads 1 is"));
  }
}
