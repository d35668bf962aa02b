// Drawing pictures with a trained generator.
#pragma once

#include <functional>
#include <vector>

#include <whisker/layers/module.h>

#include "pictures/image_grid.h"
#include "training/training_data.h"

namespace catgan {

/// Picture i is G's answer to the numbers of key(i): the same one however many are drawn. Throws
/// whisker::NumericError if one is not finite.
std::vector<Picture> draw_samples(const Config& config, whisker::nn::Module& generator,
                                  std::int64_t count,
                                  const std::function<whisker::RandomKey(std::int64_t)>& key);

}  // namespace catgan
