// Activations and changes of shape as layers.
#pragma once

#include <whisker/core/ops/reshape.h>
#include <whisker/core/ops/unary.h>
#include <whisker/layers/module.h>

namespace whisker::inline v0_1::nn {

class LeakyRelu : public Module {
 public:
  explicit LeakyRelu(double slope = 0.2) : slope_(slope) {}
  std::string describe() const override { return str("LeakyReLU ", slope_); }

 protected:
  Tensor forward(const Tensor& x) override { return leaky_relu(x, slope_); }

 private:
  double slope_;
};

class Relu : public Module {
 public:
  std::string describe() const override { return "ReLU"; }

 protected:
  Tensor forward(const Tensor& x) override { return relu(x); }
};

class Tanh : public Module {
 public:
  std::string describe() const override { return "Tanh"; }

 protected:
  Tensor forward(const Tensor& x) override { return tanh(x); }
};

class Sigmoid : public Module {
 public:
  std::string describe() const override { return "Sigmoid"; }

 protected:
  Tensor forward(const Tensor& x) override { return sigmoid(x); }
};

class Selu : public Module {
 public:
  std::string describe() const override { return "SELU"; }

 protected:
  Tensor forward(const Tensor& x) override { return selu(x); }
};

/// [N, ...] -> [N, the product of the rest].
class Flatten : public Module {
 public:
  std::string describe() const override { return "Flatten"; }

 protected:
  Tensor forward(const Tensor& x) override { return flatten(x); }
};

/// [N, ...] -> [N, height, width, channels].
class Reshape : public Module {
 public:
  Reshape(std::int64_t height, std::int64_t width, std::int64_t channels)
      : height_(height), width_(width), channels_(channels) {}
  std::string describe() const override {
    return str("Reshape ", height_, "x", width_, "x", channels_);
  }

 protected:
  Tensor forward(const Tensor& x) override {
    return reshape(x, {x.dim(0), height_, width_, channels_});
  }

 private:
  std::int64_t height_, width_, channels_;
};

}  // namespace whisker::inline v0_1::nn
