#include "sampling.h"

#include <algorithm>

#include <whisker/core/autograd.h>

#include "training/finite.h"

namespace catgan {

using whisker::Tensor;

std::vector<Picture> draw_samples(const Config& config, whisker::nn::Module& generator,
                                  std::int64_t count,
                                  const std::function<whisker::RandomKey(std::int64_t)>& key) {
  const whisker::NoGrad no_grad;
  // Always batches of one size: kernels of another size may round differently.
  constexpr std::int64_t kBatch = 16;
  std::vector<Picture> pictures;
  for (std::int64_t begin = 0; begin < count; begin += kBatch) {
    Tensor z = Tensor::empty({kBatch, config.z_size});
    for (std::int64_t i = 0; i < kBatch; ++i)
      z.view_rows(i, i + 1).copy_from(draw_z(config, 1, key(begin + i)));
    const Tensor drawn = generator(z);
    whisker::check<whisker::NumericError>(is_finite(drawn), "pictures ", begin, " to ",
                                          begin + kBatch - 1, " of the generator hold infinities ",
                                          "or NaN, though its weights do not");
    std::vector<Picture> batch = to_pictures(drawn, config.data_range);
    batch.resize(static_cast<std::size_t>(std::min(kBatch, count - begin)));
    std::move(batch.begin(), batch.end(), std::back_inserter(pictures));
  }
  return pictures;
}

}  // namespace catgan
