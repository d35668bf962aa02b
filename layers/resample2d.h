// Changes of an image's size that have no parameters.
#pragma once

#include <whisker/core/ops/resample2d.h>
#include <whisker/layers/module.h>

namespace whisker::inline v0_1::nn {

/// [N, H, W, C] -> [N, H * R, W * S, C], every pixel repeated; before a convolution it takes the
/// place of a strided transposed one without its checkerboards (Odena et al. 2016).
class Upsample2d : public Module {
 public:
  explicit Upsample2d(const Block2d& block = {}) : block_(block) {}
  std::string describe() const override {
    return str("Upsample2d ", block_.height, "x", block_.width);
  }

 protected:
  Tensor forward(const Tensor& x) override { return upsample2d(x, block_); }

 private:
  Block2d block_;
};

/// [N, H, W, C] -> [N, H / R, W / S, C], the mean of every block.
class AvgPool2d : public Module {
 public:
  explicit AvgPool2d(const Block2d& block = {}) : block_(block) {}
  std::string describe() const override {
    return str("AvgPool2d ", block_.height, "x", block_.width);
  }

 protected:
  Tensor forward(const Tensor& x) override { return avg_pool2d(x, block_); }

 private:
  Block2d block_;
};

}  // namespace whisker::inline v0_1::nn
