// What the tests of Trainer share.
#pragma once

#include <vector>

#include <whisker/core/ops.h>
#include <whisker/layers/nn.h>

#include "training/trainer.h"
#include "training/training_data.h"

namespace trainer_fixtures {

using catgan::Config;

inline whisker::Tensor some_pictures(const Config& config, std::uint32_t step) {
  return whisker::random_uniform({config.batch, config.size, config.size, 3}, -1.0f, 1.0f,
                                 {.seed = 9, .step = step});
}

inline std::vector<catgan::StepResult> train(catgan::Trainer& trainer, const Config& config,
                                             int steps) {
  std::vector<catgan::StepResult> results;
  for (int i = 0; i < steps; ++i)
    results.push_back(trainer.step(some_pictures(config, static_cast<std::uint32_t>(i)),
                                   catgan::training_z(config, i)));
  return results;
}

/// Runs out of memory in one of D's forward passes.
struct ShortOfMemory : whisker::nn::ForwardObserver {
  explicit ShortOfMemory(int pass) : passes_left(pass) {}
  void called(whisker::nn::Module& module, const whisker::Tensor&,
              const whisker::Tensor&) override {
    if (module.path() == "d" && --passes_left == 0)
      throw whisker::OutOfMemory("memory: none is left");
  }
  int passes_left;
};

}  // namespace trainer_fixtures
