// Layers one after the other.
#pragma once

#include <concepts>
#include <memory>

#include <whisker/layers/module.h>

namespace whisker::inline v0_1::nn {

/// y = layer_n(... layer_1(x)). Parameters are named "<layer's name>.<parameter>". A copy shares
/// the layers themselves, so their training mode too.
class Sequential : public Module {
 public:
  /// Appends a layer; throws Error if the name is empty, taken or has a dot in it. Returns itself
  /// for chaining.
  template <std::derived_from<Module> Layer>
  Sequential& add(const std::string& name, Layer layer) {
    return add(name, std::shared_ptr<Module>(std::make_shared<Layer>(std::move(layer))));
  }
  Sequential& add(const std::string& name, std::shared_ptr<Module> layer);

  std::string describe() const override { return str("Sequential of ", layers_.size()); }

 protected:
  Tensor forward(const Tensor& x) override;
  void visit(ModuleVisitor& visitor) override;

 private:
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> layers_;
};

}  // namespace whisker::inline v0_1::nn
